"""By what the host proves itself, and who may call it: certificates that `greenroom certs init` makes."""

import os
import ssl
import sys
from ipaddress import ip_address
from pathlib import Path

import grpc

VARIABLES = ("GREENROOM__TLS__AUTHORITY", "GREENROOM__TLS__CERTIFICATE", "GREENROOM__TLS__KEY")
AGENT = b"agent.greenroom.internal"
SUPERVISOR = b"supervisor.greenroom.internal"


def credentials():
    """What the environment's files hold; none where it names none. New files count for new connections."""
    files = [os.environ.get(name) for name in VARIABLES]
    if not any(files):
        return None
    if not all(files):
        raise SystemExit(f"{', '.join(VARIABLES)} go together")

    try:
        held = Files(files)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    return grpc.dynamic_ssl_server_credentials(held.configuration(), held.renewed, require_client_authentication=True)


class Files:
    """What files hold. What can't be used, or is another role's, leaves in force what was read before."""

    def __init__(self, files):
        self._files = files
        self._seen = None
        self._seen = self._read()
        self._complaint = None

    def configuration(self):
        authority, certificate, key = self._seen
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=authority)

    def renewed(self):
        """What is new in them, for new connections."""
        before = self._seen
        try:
            self._seen = self._read()
            self._complaint = None
        except (OSError, ValueError) as error:
            if self._complaint != str(error):
                print(f"certificates read before stay in force: {error}", file=sys.stderr, flush=True)
            self._complaint = str(error)
        return None if self._seen == before else self.configuration()

    def _read(self):
        texts = tuple(Path(file).read_bytes() for file in self._files)
        if texts == self._seen:
            return texts
        authority, certificate, key = self._files
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_verify_locations(authority)
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            raise ValueError(f"{authority}, {certificate} and {key} can't be used together: {error}") from error
        if not names(texts[1].decode(), AGENT):
            what = "is not an agent host's certificate: `greenroom certs init agent` makes one"
            raise ValueError(f"{certificate} {what}")
        return texts


def names(pem, name):
    """Whether the first certificate names it. The standard library reads no names, so they are looked for as they are
    encoded: a DNS name's tag, its length and itself. Enough for one's own, which is looked at for mistakes."""
    end = "-----END CERTIFICATE-----"
    own = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :].partition(end)[0] + end)
    return bytes([0x82, len(name)]) + name in own


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
