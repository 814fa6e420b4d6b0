"""Prints what the azure-functions library makes of an app: its functions and their bindings, as one JSON document.

`python -m tests.host.list_functions APP_FOLDER OUTPUT_FILE`, run under each Python line to show that both
index the app alike.
"""

import importlib
import json
import os
import sys
from pathlib import Path


def main(folder: str, output: str) -> None:
    app_folder = Path(folder).resolve()
    target = Path(output).resolve()
    sys.path[0] = str(app_folder)
    os.chdir(app_folder)
    # Only now, as the app's folder comes first on the path.
    import azure.functions as func  # noqa: PLC0415

    module = importlib.import_module("function_app")
    app = next(value for value in vars(module).values() if isinstance(value, func.FunctionRegister))
    functions = {str(each.get_function_name()): each.get_raw_bindings() for each in app.get_functions()}
    target.write_text(json.dumps(functions, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
