// By what the host proves itself, and who may call it: certificates that `greenroom certs init` makes.

import * as grpc from "@grpc/grpc-js";

const VARIABLES = ["GREENROOM__TLS__AUTHORITY", "GREENROOM__TLS__CERTIFICATE", "GREENROOM__TLS__KEY"];
const SUPERVISOR = "DNS:supervisor.greenroom.internal";
const RELOAD = 60_000; // ms after which new files count for new connections

/** What the environment's files hold; none where it names none. */
export function credentials(): grpc.ServerCredentials | undefined {
  const [caCertificateFile, certificateFile, privateKeyFile] = VARIABLES.map((name) => process.env[name] || undefined);
  if (!caCertificateFile && !certificateFile && !privateKeyFile) return undefined;
  if (!caCertificateFile || !certificateFile || !privateKeyFile) throw new Error(`${VARIABLES.join(", ")} go together`);
  const files = { caCertificateFile, certificateFile, privateKeyFile, refreshIntervalMs: RELOAD };
  const provider = new grpc.experimental.FileWatcherCertificateProvider(files);
  return grpc.experimental.createCertificateProviderServerCredentials(provider, provider, true);
}

/** The address, which has to be this machine's own: there is no plaintext elsewhere. */
export function here(address: string): string {
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  if (host !== "localhost" && host !== "::1" && !host.startsWith("127.")) {
    throw new Error(`${address} can be reached by other machines: set ${VARIABLES.join(", ")}`);
  }
  return address;
}

/** Whether a call came by TLS from another than a supervisor: the authority vouches for all of a fleet's processes. */
export function isForeign(call: { getAuthContext(): { sslPeerCertificate?: { subjectaltname?: string } } | null }): boolean {
  const peer = call.getAuthContext()?.sslPeerCertificate;
  return peer !== undefined && !(peer.subjectaltname ?? "").split(", ").includes(SUPERVISOR);
}
