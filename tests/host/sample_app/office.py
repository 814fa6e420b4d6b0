"""The part of the sample app that is kept in a blueprint: addresses of every kind."""

import json

import azure.functions as func

office = func.Blueprint()


def _told(req: func.HttpRequest, function: str) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps({"function": function, **req.route_params}), mimetype="application/json"
    )


@office.route("rooms/{room:int}/{seat?}")
async def room(req: func.HttpRequest) -> func.HttpResponse:
    return _told(req, "room")


@office.route("rooms/lobby")
async def lobby(req: func.HttpRequest) -> func.HttpResponse:
    return _told(req, "lobby")


@office.route("files/{*rest}")
async def files(req: func.HttpRequest) -> func.HttpResponse:
    return _told(req, "files")
