"""A small clinic app that uses everything the built-in host supports, and nothing else."""

import contextvars
import json
import logging

import azure.functions as func
from office import office  # type: ignore[import-not-found]

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(office)

logger = logging.getLogger(__name__)

caller = contextvars.ContextVar("caller", default="nobody")


@app.route("echo/{word:alpha}", methods=["GET", "POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    told = {
        "method": req.method,
        "url": req.url,
        "word": req.route_params["word"],
        "params": dict(req.params),
        "header": req.headers.get("X-Clinic"),
        "cookie": req.headers.get("Cookie"),
        "length": len(req.get_body()),
    }
    return func.HttpResponse(json.dumps(told), mimetype="application/json")


@app.route("reverse", methods=["POST"])
async def reverse(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body()[::-1], mimetype="application/octet-stream")


@app.route("cookies")
async def cookies(req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse(status_code=302, headers={"Location": "/echo/here"})
    answer.headers.add("Set-Cookie", "session=a/b=; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax")
    answer.headers.add("Set-Cookie", "language=en")
    return answer


@app.route("text")
def text(req: func.HttpRequest) -> str:
    caller.set("text")
    return "plain"


@app.route("caller")
def who(req: func.HttpRequest, context: func.Context) -> str:
    return f"{context.function_name} {caller.get()}"


@app.route("fails")
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError(f"cannot read {req.params['name']}")


@app.route("nothing")
async def nothing(req: func.HttpRequest):  # type: ignore[no-untyped-def]
    return None


@app.generic_trigger(arg_name="req", type="httpTrigger", route="quiet")
async def quiet(req: func.HttpRequest) -> None:
    return None


@app.route("orders", methods=["POST"])
@app.queue_output(arg_name="orders", queue_name="orders", connection="AzureWebJobsStorage")
async def order(req: func.HttpRequest, orders: func.Out[str]) -> func.HttpResponse:
    orders.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.route("closed", auth_level=func.AuthLevel.FUNCTION)
async def closed(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("open")


@app.queue_trigger(arg_name="message", queue_name="orders", connection="AzureWebJobsStorage")
async def take_order(message: func.QueueMessage) -> None:
    logger.info("order %s, attempt %s", message.id, message.dequeue_count)
    if message.get_body() == b"broken":
        raise ValueError("an order that cannot be read")


@app.queue_trigger(arg_name="line", queue_name="%LINES_QUEUE%", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="lines-out", connection="AzureWebJobsStorage")
def copy_line(line: str) -> str:
    return line.upper()


@app.timer_trigger(arg_name="timer", schedule="%LINES_TICK%", run_on_startup=False)
@app.queue_output(arg_name="lines", queue_name="%LINES_QUEUE%", connection="AzureWebJobsStorage")
async def tick(timer: func.TimerRequest, lines: func.Out[str]) -> None:
    lines.set("late" if timer.past_due else "tick")
