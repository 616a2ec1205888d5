// `querymark worker --config`: what the file may say, several drains, SIGHUP, and systemd.

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "querymark/file_tier/file_tier.hpp"
#include "support/child.hpp"
#include "support/patient_tier.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

struct Configured {
  Shop shop;
  std::string path = shop.file("worker.toml");

  void write(const std::string& text) const { std::ofstream(path) << text; }
  // Of this shop, to its tier.
  [[nodiscard]] std::string basics() const {
    return "db = \"sqlite:" + shop.path() + "\"\nnamespace = \"shop\"\n";
  }
  [[nodiscard]] std::string target(const std::string& name = "tier") const {
    return "target = \"sqlite:" + shop.file(name) + "\"\n";
  }
  [[nodiscard]] Finished once(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command{kProgram, "worker", "--once", "--config", path};
    command.insert(command.end(), more.begin(), more.end());
    return run(command);
  }
};

// What systemd would hear.
class Manager {
 public:
  explicit Manager(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    REQUIRE(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    const timeval patience{20, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~Manager() { ::close(descriptor_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  // The next message that begins so.
  std::string hear(const std::string& beginning) {
    char buffer[4096];
    for (;;) {
      const ssize_t size = ::recv(descriptor_, buffer, sizeof(buffer), 0);
      REQUIRE(size > 0);
      const std::string message(buffer, static_cast<std::size_t>(size));
      if (message.starts_with(beginning)) return message;
    }
  }

 private:
  int descriptor_;
};

}  // namespace

TEST_CASE("config: a worker does what its file says", "[config]") {
  const Configured given;
  Process process(given.shop);
  process.db.attach(patient_tier(given.shop.file("tier")));
  given.write(given.basics() + given.target() +
              "lease = \"10s\"\npoll = \"50ms\"\nlargest_ttl = \"2h\"\npage_size = 100\n"
              "flush_on_death = false\njson = true\n"
              "[retry]\nstart = \"10ms\"\nfactor = 3\ncap = \"1min\"\nattempts = 0\n"
              "deadline_margin = \"1s\"\n"
              "[prune]\nenabled = false\nretention = \"2h\"\nmost_rows = 1000\nchunk = 10\n"
              "interval = \"1min\"\n");
  const Finished done = given.once();
  INFO(done.output);
  CHECK(done.code == 0);
  CHECK(json::parse(done.output.substr(0, done.output.find('\n')))["log"]["namespace"] == "shop");
  process.set_price(1, 4.0);
  CHECK_THAT(given.once().output, Contains("\"applied\":1"));
  // A flag counts more.
  CHECK_THAT(given.once({"--namespace", "other"}).output, Contains("\"namespace\":\"other\""));
  CHECK(given.once({"--db", "sqlite:" + given.shop.file("none")}).code == 3);
}

TEST_CASE("config: what is not meant is refused, with its line", "[config]") {
  const Configured given;
  const auto refused = [&](const std::string& text, const std::string& message) {
    given.write(given.basics() + given.target() + text);
    const Finished done = given.once();
    CAPTURE(text);
    CHECK(done.code == 2);
    CHECK_THAT(done.output, Contains(given.path + ':') && Contains(message));
  };
  refused("leese = \"1s\"", ":4: unknown key leese; did you mean lease?");
  refused("\n\nlease = 30", ":6: lease must be a span of time in quotes");
  refused("lease = \"soon\"", ":4: lease is no span of time: soon");
  refused("lease = \"-5s\"", "no span of time");
  refused("lease = \"1ms\"", "lease must be at least 100 ms");
  refused("lease = \"2h\"", "a lease is at most an hour");
  refused("json = \"yes\"", ":4: json must be true or false");
  refused("[[drain]]\nnamespace = \"*\"", ":4: the namespace can't be *");
  refused("page_size = -1", "not negative");
  refused("page_size = 0", "page_size");
  refused("page_size = 1.5", "a whole number");
  refused("[retry]\nfactor = 0.5", "retry.factor");
  refused("[retry]\nfactor = nan", "retry.factor");
  refused("[retry]\nstart = \"1min\"\ncap = \"1s\"", "cap");
  refused("[retry]\nattemps = 3", ":5: unknown key attemps; did you mean attempts?");
  refused("retry = 3", "retry must be a table");
  refused("drain = []", "a list of tables");
  refused("[[drain]]\nnamspace = \"a\"", ":5: unknown key namspace; did you mean namespace?");
  refused("[[drain]]\n[[drain]]\n", "the same db, namespace and target");
  refused("namespace = \"twice\"", ":4: ");
  refused("lease = ", ":4: ");
  refused("\"evil\\u001b[31m\" = 1", "evil\\x1b[31m");
  given.write("namespace = \"shop\"\n");
  CHECK_THAT(given.once({"--db", "sqlite:" + given.shop.path()}).output,
             Contains("no shared tier"));
  CHECK_THAT(given.once().output, Contains("no database is named"));
  CHECK(run({kProgram, "worker", "--config", given.shop.file("none.toml")}).code == 2);
  given.write(given.basics() + given.target());
  CHECK_THAT(given.once({"--namespace", "*"}).output, Contains("the namespace can't be *"));
}

TEST_CASE("config: no more is read than a file of settings has", "[config]") {
  const Configured given;
  const auto refused = [&](const std::string& path) {
    const Finished done = run({kProgram, "worker", "--once", "--config", path});
    CAPTURE(path, done.output);
    CHECK(done.code == 2);
    CHECK_THAT(done.output, Contains("the file of --config ") && Contains(path));
    return done.output;
  };
  const std::string basics = given.basics() + given.target() + '#';
  given.write(basics + std::string((1U << 20U) - basics.size(), ' '));
  CHECK(given.once().code == 0);
  given.write(basics + std::string((1U << 20U) - basics.size() + 1, ' '));
  CHECK_THAT(refused(given.path), Contains("more than 1 MiB"));
  CHECK_THAT(refused("/dev/zero"), Contains("more than 1 MiB"));
  CHECK_THAT(refused("/"), Contains("Is a directory"));
  CHECK_THAT(refused(given.shop.file("none.toml")), Contains("No such file"));
  given.write("");
  CHECK_THAT(refused(given.path), Contains("empty"));
}

TEST_CASE("config: it may come through a pipe", "[config]") {
  const Configured given;
  const std::string pipe = given.shop.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  Child worker({kProgram, "worker", "--once", "--config", pipe});
  std::ofstream(pipe) << given.basics() + given.target();  // waits for the worker
  CHECK(worker.join() == 0);
}

TEST_CASE("config: one process drains several namespaces and targets", "[config]") {
  const Configured given;
  Process process(given.shop);
  given.write(given.basics() + "[[drain]]\n" + given.target("one") + "[[drain]]\n" +
              given.target("two") + "[[drain]]\nnamespace = \"orders\"\n" + given.target("one"));
  CHECK(given.once().code == 0);
  CHECK(given.shop.number("select count(*) from querymark_consumer") == 3);
  process.set_price(1, 4.0);
  const Finished done = given.once();
  CHECK(done.code == 0);
  CHECK(given.shop.number("select count(distinct cursor_id) from querymark_consumer "
                          "where namespace = 'shop'") == 1);
  CHECK_THAT(given.once({"--namespace", "x"}).output, Contains("has several"));
}

TEST_CASE("config: SIGHUP reads the file again, and keeps what runs when it does not work",
          "[config]") {
  const Configured given;
  Process process(given.shop);
  given.write("json = true\n" + given.basics() + given.target("one"));
  Child worker({kProgram, "worker", "--config", given.path});
  const auto hear = [&](const std::string& event) {
    for (;;) {
      json line = json::parse(worker.hear())["log"];
      if (line["event"] == event) return line;
    }
  };
  // Several drains speak at once: the lines of these events, in whatever order they come.
  const auto hear_all = [&](std::set<std::string> events) {
    std::map<std::string, json> lines;
    while (!events.empty()) {
      json line = json::parse(worker.hear())["log"];
      const std::string event = line["event"];
      if (events.erase(event) > 0) lines[event] = std::move(line);
    }
    return lines;
  };
  const std::string flushed =
      "flushed the namespace on the target, which is new or has missed rows";
  hear(flushed);
  given.write("json = true\nleese = 3\n" + given.basics() + given.target("one"));
  worker.signal(SIGHUP);
  CHECK_THAT(
      hear("the new configuration does not work; the old one goes on")["error"].get<std::string>(),
      Contains(":2: unknown key leese"));
  given.write("json = true\n" + given.basics() + "[[drain]]\nlease = \"5s\"\n" +
              given.target("one") + "[[drain]]\n" + given.target("two"));
  worker.signal(SIGHUP);
  // One has another lease, and two is new: what is written later it must be told.
  CHECK(hear_all({"worker stopped", "reloaded", flushed})["reloaded"]["drains"] == 2);
  given.write(given.basics() + given.target("two"));
  worker.signal(SIGHUP);
  hear("json can't be reloaded: log lines keep their form until a restart");
  CHECK(hear("reloaded")["drains"] == 1);
  process.set_price(1, 4.0);
  CHECK(hear("applied")["applied"] == 1);
  worker.signal(SIGTERM);
  CHECK(worker.join() == 0);
  CHECK(given.shop.number("select count(*) from querymark_consumer where owner is not null") == 0);
}

TEST_CASE(
    "config: a feed's keys are looked at with the file, and a mistake is told with both lines",
    "[config]") {
  const Configured given;
  const std::string keys = given.shop.file("feed.keys");
  const std::string good = std::string(64, 'a');
  const auto with_keys = [&](const std::string& text, mode_t mode) {
    std::ofstream(keys) << text;
    REQUIRE(::chmod(keys.c_str(), mode) == 0);
    given.write(given.basics() + given.target() + "feed_keys = \"" + keys + "\"\n");
    return given.once();
  };
  CHECK(with_keys("# of June\none " + good + "\n", 0600).code == 0);  // a file tier needs none
  const Finished bad = with_keys("# of June\none " + good + "\n\ntwo beef\n", 0600);
  CHECK(bad.code != 0);
  CHECK_THAT(bad.output, Contains("worker.toml:4: ") &&
                             Contains(keys + ": sealing keys, line 4: ") && !Contains("beef"));
  CHECK_THAT(with_keys("one " + good, 0644).output,
             Contains("worker.toml:4: ") && Contains("can be used by others"));
  given.write(given.basics() + given.target() + "feed_keys = 7\n");
  CHECK_THAT(given.once().output, Contains("worker.toml:4: "));
  given.write(given.basics() + given.target() + "feed_keys = \"/nowhere\"\n");
  CHECK_THAT(given.once().output, Contains("worker.toml:4: ") && Contains("can't be opened"));
  CHECK_THAT(given.once({"--feed-keys", "/elsewhere"}).output, Contains("/nowhere"));
  // An empty name, as of a variable that is not set, does not mean unsealed.
  given.write(given.basics() + given.target() + "feed_keys = \"\"\n");
  CHECK_THAT(given.once().output, Contains("worker.toml:4: "));
  given.write(given.basics() + given.target());
  CHECK_THAT(given.once({"--feed-keys", ""}).output, Contains("can't be opened"));
  CHECK_THAT(given.once({"--feed-keys", "/elsewhere"}).output,
             Contains("/elsewhere can't be opened"));
}

TEST_CASE("config: without a file SIGHUP ends the worker, as it ends other programs", "[config]") {
  const Configured given;
  Child worker({kProgram, "worker", "--json", "--namespace", "shop", "--db",
                "sqlite:" + given.shop.path(), "--target", "sqlite:" + given.shop.file("tier")});
  static_cast<void>(worker.hear());
  worker.signal(SIGHUP);
  CHECK(worker.join() == 0);
}

TEST_CASE("config: a service manager hears when the worker is ready, alive, and at its end",
          "[config]") {
  const Configured given;
  given.write(given.basics() + given.target());
  const std::string socket = given.shop.file("notify");
  Manager manager(socket);
  Child worker({"/usr/bin/env", "NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=60000", kProgram,
                "worker", "--config", given.path});
  CHECK(manager.hear("READY=1") == "READY=1");
  CHECK(manager.hear("WATCHDOG=1") == "WATCHDOG=1");
  CHECK_THAT(manager.hear("STATUS="), Contains("1 drain,"));
  worker.signal(SIGHUP);
  CHECK_THAT(manager.hear("RELOADING=1"), Contains("MONOTONIC_USEC="));
  CHECK(manager.hear("READY=1") == "READY=1");
  worker.signal(SIGTERM);
  CHECK(manager.hear("STOPPING=1") == "STOPPING=1");
  CHECK(worker.join() == 0);
}

TEST_CASE("config: a service manager that is not there does not matter", "[config]") {
  const Configured given;
  given.write(given.basics() + given.target());
  for (const char* socket : {"/nowhere/notify", "relative", "@", "@nobody-listens-here", ""})
    CHECK(run({"/usr/bin/env", std::string("NOTIFY_SOCKET=") + socket, "WATCHDOG_USEC=x", kProgram,
               "worker", "--once", "--config", given.path})
              .code == 0);
}
