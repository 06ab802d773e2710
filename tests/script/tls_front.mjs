// SPDX-License-Identifier: MIT
// Ends TLS, with HTTP/2, in front of a plain HTTP backend: node tls_front.mjs KEY CERT PORT.
// Prints the port that it listens on, then a line "CLIENT_PORT VERSION" for every request.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";

const [key, certificate, backend] = process.argv.slice(2);
const server = http2.createSecureServer({
  key: readFileSync(key),
  cert: readFileSync(certificate),
  allowHTTP1: true,
});
const agent = new http.Agent({ keepAlive: true });

server.on("request", (request, response) => {
  process.stdout.write(`${request.socket.remotePort} ${request.httpVersion}\n`);
  const headers = Object.entries(request.headers).filter(([name]) => !name.startsWith(":"));
  const ask = http.request({
    host: "127.0.0.1",
    port: backend,
    agent,
    method: request.method,
    path: request.url,
    headers: Object.fromEntries(headers),
  });
  ask.on("response", (answer) => {
    response.writeHead(answer.statusCode, { "content-type": "application/json" });
    answer.pipe(response);
  });
  ask.on("error", () => response.destroy());
  request.pipe(ask);
});
// A client that refuses the certificate ends the handshake: that is what is tested.
server.on("tlsClientError", () => {});
server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.on("SIGTERM", () => process.exit(0));
