"""By what the host proves itself, and who may call it: certificates that `greenroom certs init` makes."""

import os
from ipaddress import ip_address
from pathlib import Path

import grpc

VARIABLES = ("GREENROOM__TLS__AUTHORITY", "GREENROOM__TLS__CERTIFICATE", "GREENROOM__TLS__KEY")
SUPERVISOR = b"supervisor.greenroom.internal"


def credentials():
    """What the environment's files hold; none where it names none. New files count for new connections."""
    files = [os.environ.get(name) for name in VARIABLES]
    if not any(files):
        return None
    if not all(files):
        raise SystemExit(f"{', '.join(VARIABLES)} go together")

    def read():
        return tuple(Path(file).read_bytes() for file in files)

    def configuration(texts):
        authority, certificate, key = texts
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=authority)

    seen = read()

    def renewed():
        nonlocal seen
        try:
            now = read()
        except OSError:  # in the writing: what was read before stays in force
            return None
        if now == seen:
            return None
        seen = now
        return configuration(now)

    return grpc.dynamic_ssl_server_credentials(configuration(seen), renewed, require_client_authentication=True)


def here(address):
    """The address, which has to be this machine's own: there is no plaintext elsewhere."""
    host = address.rpartition(":")[0].strip("[]")
    if host != "localhost" and not ip_address(host).is_loopback:
        raise SystemExit(f"{address} can be reached by other machines: set {', '.join(VARIABLES)}")
    return address


class OnlySupervisors(grpc.aio.ServerInterceptor):
    """The authority vouches for all of a fleet's processes; agents are run by supervisors alone."""

    async def intercept_service(self, continuation, details):
        handler = await continuation(details)
        return handler and _checked(handler)


def _checked(handler):
    async def check(context):
        if SUPERVISOR not in context.auth_context().get("x509_subject_alternative_name", ()):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "only supervisors are served")

    def one(method):
        async def checked(request, context):
            await check(context)
            return await method(request, context)

        return checked

    def stream(method):
        async def checked(request, context):
            await check(context)
            answers = method(request, context)
            if hasattr(answers, "__aiter__"):
                async for answer in answers:
                    await context.write(answer)
            else:
                await answers

        return checked

    wrapped = {
        (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler, one),
        (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler, stream),
        (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler, one),
        (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler, stream),
    }
    name, make, wrap = wrapped[handler.request_streaming, handler.response_streaming]
    method = wrap(getattr(handler, name))
    return make(method, handler.request_deserializer, handler.response_serializer)
