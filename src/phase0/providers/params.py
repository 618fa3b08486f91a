"""What of a request's parameters an endpoint is sent: all but those that its server or its model is known not to take.

A request is the same question wherever it is asked, so what an endpoint lacks is no reason to ask another one: a reply
without logprobs, or one that only the prompt held to a form, is still the reply to it. How many replies there are is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from phase0.catalog.models import Endpoint, Feature
from phase0.errors import Fatal

_OF: dict[Feature, tuple[str, ...]] = {
    "json_schema": ("response_format",),
    "logprobs": ("logprobs", "top_logprobs"),
    "seed": ("seed",),  # best effort everywhere
    "temperature": ("temperature", "top_p"),
}


def params_for(endpoint: Endpoint) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The function that takes from parameters those that an endpoint is sent.

    It raises Fatal (`unsupported`) where several choices are asked of a server that is known to give one.
    """
    lacks = {feature for feature, there in {**endpoint.server.supports, **endpoint.supports}.items() if not there}
    left_out = {name for feature, names in _OF.items() if feature in lacks for name in names}
    server = endpoint.server.name

    def sent(params: Mapping[str, Any]) -> dict[str, Any]:
        if "n" in lacks and params.get("n", 1) != 1:
            raise Fatal(f"{server} has no n, which every request asks for.", reason="unsupported")
        if not left_out:
            return dict(params)
        return {name: value for name, value in params.items() if name not in left_out or _is_other(name, value)}

    return sent


def _is_other(name: str, value: Any) -> bool:
    """A form of replies that is no schema: JSON of any kind, say. Whether a server knows that is not on record."""
    return name == "response_format" and isinstance(value, dict) and value.get("type") != "json_schema"
