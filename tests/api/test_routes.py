"""The table of routes is consistent: schemas, functions and keys."""

from __future__ import annotations

import inspect
from importlib.util import find_spec

import pytest
from pydantic import BaseModel

from unbraid.api.routes import ROUTES, Route

EACH = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)


def test_declares_each_method_and_path_once() -> None:
    keys = [route.key for route in ROUTES]
    assert len(keys) == len(set(keys))


@EACH
def test_handler_takes_a_call_and_at_most_a_request(route: Route) -> None:
    expected = ["call"] if not route.request else ["call", "request"]
    assert list(inspect.signature(route.handler).parameters) == expected
    assert issubclass(route.answer, BaseModel)
    assert inspect.getdoc(route.handler)  # the description in the OpenAPI document


@EACH
def test_lambda_function_exists(route: Route) -> None:
    assert find_spec(f"unbraid.aws.functions.{route.function}") is not None


@EACH
def test_request_fields_come_from_the_path_the_query_or_the_body(route: Route) -> None:
    fields = {str(field.alias) for field in route.request.model_fields.values()} if route.request else set()
    if route.place == "path":
        assert fields == {part[1:-1] for part in route.path.split("/") if part.startswith("{")}
    elif route.method == "POST":
        assert route.place == "body"
        assert fields


def test_only_the_configuration_the_health_and_share_links_are_public() -> None:
    public = {"GET /config", "GET /healthz", "GET /shared/{shareId}"}
    assert {route.key for route in ROUTES if route.public} == public
    assert not any(route.owner for route in ROUTES if route.public)
