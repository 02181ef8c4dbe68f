// A server of CouchDB's protocol, in memory: node couchdb_server.js PORT USER PASSWORD FOLDER
const path = require("path");
const fs = require("fs");

const own = (module) => module.default || module;
const PouchDB = own(require("pouchdb-core"))
  .plugin(own(require("pouchdb-adapter-memory")))
  .plugin(own(require("pouchdb-mapreduce")))
  .plugin(own(require("pouchdb-replication")))
  .plugin(own(require("pouchdb-adapter-http")))
  .defaults({ adapter: "memory" });

const [port, user, password, folder] = process.argv.slice(2);
const configPath = path.join(folder, "config.json");
fs.writeFileSync(configPath, JSON.stringify({ admins: { [user]: password } }));

const app = require("express")();
const auth = require("basic-auth");

// express-pouchdb dies of a stranger who makes or deletes a database: they are answered before.
app.all("/:db", (request, response, next) => {
  if (!["PUT", "DELETE"].includes(request.method)) return next();
  const given = auth(request);
  if (given && given.name === user && given.pass === password) return next();
  response.status(401).json({ error: "unauthorized", reason: "You are not a server admin." });
});
process.on("uncaughtException", (error) => console.error("uncaught", error.stack));
const logPath = path.join(folder, "requests.log");
app.use("/", require("express-pouchdb")(PouchDB, { configPath, logPath }));
app.listen(Number(port), "127.0.0.1");
