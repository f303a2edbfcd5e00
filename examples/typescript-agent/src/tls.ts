// By what the host proves itself, and who may call it: certificates that `greenroom certs init` makes.

import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import * as grpc from "@grpc/grpc-js";

const VARIABLES = ["GREENROOM__TLS__AUTHORITY", "GREENROOM__TLS__CERTIFICATE", "GREENROOM__TLS__KEY"];
const AGENT = "agent.greenroom.internal";
const SUPERVISOR = "supervisor.greenroom.internal";
const RELOAD = 60_000; // ms after which new files count for new connections

/**
 * What the environment's files hold; none where it names none. Who isn't a supervisor is refused whatever it calls,
 * health and reflection too.
 */
export function credentials(): grpc.ServerCredentials | undefined {
  const files = VARIABLES.map((name) => process.env[name]);
  if (!files.some(Boolean)) return undefined;
  const [authority, certificate, key] = files;
  if (!authority || !certificate || !key) throw new Error(`${VARIABLES.join(", ")} go together`);
  const held = new Files(authority, certificate, key);
  setInterval(() => held.reload(), RELOAD).unref();
  const shown = grpc.experimental.createCertificateProviderServerCredentials(held, held, true);
  return grpc.experimental.createServerCredentialsWithInterceptors(shown, [onlySupervisors]);
}

interface Held {
  caCertificate: Buffer;
  certificate: Buffer;
  privateKey: Buffer;
}

type CaListener = grpc.experimental.CaCertificateUpdateListener;
type IdentityListener = grpc.experimental.IdentityCertificateUpdateListener;

/** The files, read again and again. What can't be used, or is another role's, leaves in force what was read before. */
export class Files implements grpc.experimental.CertificateProvider {
  readonly #files: [string, string, string];
  readonly #listeners: [Set<CaListener>, Set<IdentityListener>] = [new Set(), new Set()];
  #held: Held;
  #complaint = "";

  constructor(...files: [authority: string, certificate: string, key: string]) {
    this.#files = files;
    this.#held = this.#read();
  }

  #read(): Held {
    const [, certificate] = this.#files;
    const [caCertificate, own, privateKey] = this.#files.map((file) => readFileSync(file)) as [Buffer, Buffer, Buffer];
    new X509Certificate(caCertificate);
    const parsed = new X509Certificate(own);
    if (!parsed.checkPrivateKey(createPrivateKey(privateKey))) throw new Error(`${certificate} and its key don't belong together`);
    if (!named(parsed.subjectAltName).includes(AGENT)) {
      throw new Error(`${certificate} is not an agent host's certificate: \`greenroom certs init agent\` makes one`);
    }
    return { caCertificate, certificate: own, privateKey };
  }

  reload(): void {
    try {
      this.#held = this.#read();
      this.#complaint = "";
    } catch (error) {
      if (this.#complaint !== String(error)) console.error(`certificates read before stay in force: ${error}`);
      this.#complaint = String(error);
      return;
    }
    for (const listener of this.#listeners[0]) listener(this.#held);
    for (const listener of this.#listeners[1]) listener(this.#held);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#listeners[0].add(listener);
    process.nextTick(() => listener(this.#held));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#listeners[0].delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#listeners[1].add(listener);
    process.nextTick(() => listener(this.#held));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#listeners[1].delete(listener);
  }
}

/** The DNS names in a certificate, as Node writes them: what could be taken for another name is in quotes there. */
function named(alternatives: string | undefined): string[] {
  const all = (alternatives ?? "").split(", ").filter((name) => name.startsWith("DNS:"));
  return all.map((name) => name.slice("DNS:".length));
}

/** The address, which has to be this machine's own: there is no plaintext elsewhere. */
export function here(address: string): string {
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  if (host !== "localhost" && host !== "::1" && !(isIPv4(host) && host.startsWith("127."))) {
    throw new Error(`${address} can be reached by other machines: set ${VARIABLES.join(", ")}`);
  }
  return address;
}

interface Called {
  getAuthContext(): { sslPeerCertificate?: { subjectaltname?: string } | undefined } | null;
}

/** Whether a call comes from a supervisor. The authority vouches for all of a fleet's processes; one of which nothing is known is none. */
export function isSupervisor(call: Called): boolean {
  return named(call.getAuthContext()?.sslPeerCertificate?.subjectaltname).includes(SUPERVISOR);
}

const onlySupervisors: grpc.ServerInterceptor = (_method, call) => {
  const listener = new grpc.ServerListenerBuilder().withOnReceiveMetadata((metadata, admit) => {
    if (isSupervisor(call)) admit(metadata);
    else call.sendStatus({ code: grpc.status.PERMISSION_DENIED, details: "only supervisors are served" });
  });
  return new grpc.ServerInterceptingCall(call, new grpc.ResponderBuilder().withStart((next) => next(listener.build())).build());
};
