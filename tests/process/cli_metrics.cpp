// `querymark worker --metrics`: what Prometheus and load balancers are told, and what strangers may send.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "querymark/file_tier/file_tier.hpp"
#include "support/await.hpp"
#include "support/child.hpp"
#include "support/patient_tier.hpp"
#include "support/read_metrics.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;
const std::string kEnd = "\r\n\r\n";

std::vector<std::string> worker_at(const Shop& shop, const std::string& address) {
  return {kProgram,      "worker", "--db",      "sqlite:" + shop.path(),
          "--namespace", "shop",   "--target",  "sqlite:" + shop.file("tier"),
          "--metrics",   address,  "--poll-ms", "50"};
}

class Connection {
 public:
  explicit Connection(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    const timeval patience{30, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(socket_); }

  void send(const std::string& text) const {
    static_cast<void>(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL));
  }
  // All until the other side closes; "…" behind what ends otherwise.
  [[nodiscard]] std::string rest() const {
    std::string text;
    char block[4096];
    ssize_t got = 0;
    while ((got = ::recv(socket_, block, sizeof(block), 0)) > 0)
      text.append(block, static_cast<std::size_t>(got));
    return got == 0 ? text : text + "…";
  }

 private:
  int socket_;
};

// A worker that runs, and the port at which it tells.
struct Telling {
  explicit Telling(const std::vector<std::string>& command) : worker(command) {
    std::string line;
    do line = worker.hear();
    while (line.find("metrics are served") == std::string::npos);
    port = std::stoi(line.substr(line.find("127.0.0.1:") + 10));
  }
  explicit Telling(const Shop& shop) : Telling(worker_at(shop, "127.0.0.1:0")) {}
  [[nodiscard]] std::string ask(const std::string& request) const {
    const Connection connection(port);
    connection.send(request);
    return connection.rest();
  }
  [[nodiscard]] std::string get(const std::string& path, const std::string& verb = "GET") const {
    return ask(verb + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close" + kEnd);
  }
  void await_answer(const std::string& path, const std::string& part) const {
    std::string answer;
    INFO(part);
    await(part, 30s, [&] {
      answer = get(path);
      return answer.find(part) != std::string::npos;
    });
  }

  Child worker;
  int port = 0;
};

std::string body_of(const std::string& answer) { return answer.substr(answer.find(kEnd) + 4); }

}  // namespace

TEST_CASE("cli metrics: Prometheus reads what the worker counts, and what the log tells",
          "[cli_metrics]") {
  Shop shop;
  const Telling telling(shop);
  telling.await_answer("/healthz", "200 OK");
  await("the new target is flushed", 30s, [&] {
    return shop.number("select count(*) from querymark_consumer where cursor_id is not null") == 1;
  });
  Process process(shop);
  process.set_price(1, 4.0);
  const std::string labels = R"({namespace="shop",target=)";
  telling.await_answer("/metrics", "querymark_target_owned" + labels);
  std::string answer;
  await("the row is applied", 30s, [&] {
    answer = telling.get("/metrics");
    const std::size_t at = answer.find("\nquerymark_worker_applied_total" + labels);
    return at != std::string::npos && answer[answer.find('\n', at + 1) - 1] == '1';
  });
  CHECK_THAT(answer, Contains("HTTP/1.1 200 OK") && Contains("text/plain; version=0.0.4"));
  const auto samples = samples_of(body_of(answer));
  const auto value_of = [&](const std::string& name) {
    for (const std::string& sample : samples)
      if (sample.starts_with(name + R"( {"namespace": "shop", "target": "file-tier:)"))
        return std::stod(sample.substr(sample.rfind(' ')));
    return -1.0;
  };
  CHECK(value_of("querymark_worker_applied_total") == 1);
  CHECK(value_of("querymark_worker_claims_total") >= 2);
  CHECK(value_of("querymark_worker_down_seconds") == 0);
  CHECK(value_of("querymark_worker_silent_seconds") >= 0);
  CHECK(value_of("querymark_worker_standby") == 0);
  CHECK(value_of("querymark_log_up") == 1);
  CHECK(value_of("querymark_log_age_seconds") >= 0);
  CHECK(value_of("querymark_target_owned") >= 0);
  CHECK(value_of("querymark_target_behind_rows") >= 0);
  CHECK(value_of("querymark_target_lag_seconds") >= 0);
  CHECK(value_of("querymark_target_dead") == 0);
}

TEST_CASE("cli metrics: health tells in a line why not", "[cli_metrics]") {
  Shop shop;
  const Telling telling(shop);
  telling.await_answer("/healthz", "200 OK");
  CHECK(body_of(telling.get("/healthz")) == "ok\n");
  // Told again until it is read: the worker's first claim may only now be on its way, and ends it.
  await("the target is told to be down", 30s, [&] {
    shop.execute("update querymark_consumer set down_since = 1, down_reason = 'no\nroom'");
    return telling.get("/healthz").find("503 Service Unavailable") != std::string::npos;
  });
  const std::string why = body_of(telling.get("/healthz"));
  CHECK_THAT(why, Contains("of the namespace shop takes nothing, for ") && Contains("no\\nroom\n"));
  shop.execute("update querymark_consumer set down_since = null");
  telling.await_answer("/healthz", "200 OK");
  shop.execute("alter table querymark_consumer rename to querymark_gone");
  telling.await_answer("/healthz", "the log has not answered for ");
  telling.await_answer("/metrics", "\nquerymark_log_up{");
  CHECK_THAT(telling.get("/metrics"), Contains("shop.tier") || Contains("} 0\n"));
}

TEST_CASE(
    "cli metrics: a target that is out of reach is told, and one that is made anew is followed",
    "[cli_metrics]") {
  Shop shop;
  fs::create_directory(shop.file("here"));
  std::vector<std::string> command = worker_at(shop, "127.0.0.1:0");
  std::ranges::replace(command, "sqlite:" + shop.file("tier"), "sqlite:" + shop.file("here/tier"));
  const Telling telling(command);
  telling.await_answer("/healthz", "200 OK");
  const std::string id = "file-tier:" + FileTier(shop.file("here/tier")).id();
  telling.await_answer("/metrics", "querymark_target_owned{namespace=\"shop\",target=\"" + id);
  fs::rename(shop.file("here"), shop.file("away"));
  Process process(shop);
  process.set_price(1, 4.0);
  telling.await_answer("/healthz", id + " of the namespace shop takes nothing, for ");
  CHECK_THAT(telling.get("/metrics"), Contains("200 OK") && Contains(id));
  fs::create_directory(shop.file("here"));
  telling.await_answer("/healthz", "200 OK");
  const std::string anew = "file-tier:" + FileTier(shop.file("here/tier")).id();
  CHECK(anew != id);
  telling.await_answer("/metrics", "querymark_target_owned{namespace=\"shop\",target=\"" + anew);
}

TEST_CASE("cli metrics: strangers get an answer, and the worker goes on", "[cli_metrics]") {
  Shop shop;
  const Telling telling(shop);
  CHECK_THAT(telling.get("/"), Contains("404 Not Found"));
  CHECK_THAT(telling.get("/metrics/../etc/passwd"), Contains("404 Not Found"));
  CHECK_THAT(telling.get("/metrics?name=x"), Contains("200 OK"));
  for (const char* verb : {"DELETE", "OPTIONS", "BREW"})
    CHECK_THAT(telling.get("/metrics", verb),
               Contains("405 Method Not Allowed") && Contains("Allow: GET, HEAD"));
  const std::string head = telling.get("/nothing", "HEAD");
  CHECK_THAT(head, Contains("404") && Contains("Content-Length: 31"));
  CHECK(body_of(head).empty());
  CHECK_THAT(telling.ask("GET /healthz HTTP/1.0" + kEnd), Contains("HTTP/1.0 "));
  CHECK_THAT(telling.ask("\x16\x03\x01 no HTTP" + kEnd), Contains("400 Bad Request"));
  CHECK_THAT(telling.ask("GET /metrics HTTP/9.9" + kEnd), Contains("400 Bad Request"));
  CHECK_THAT(telling.ask("GET /metrics HTTP/1.1\r\nContent-Length: -1" + kEnd), Contains("400"));
  CHECK_THAT(telling.ask("GET /metrics HTTP/1.1\r\nX: " + std::string(100'000, 'x')),
             Contains("431 "));
  // A body is not waited for, and what lies behind it is no request.
  for (const char* length : {"Content-Length: 999999999999", "Transfer-Encoding: chunked"})
    CHECK_THAT(telling.ask("POST /metrics HTTP/1.1\r\n" + std::string(length) + kEnd +
                           "GET /healthz HTTP/1.1" + kEnd),
               Contains("405") && !Contains("ok\n"));
  const Connection kept(telling.port);  // one connection, two requests, in pieces
  kept.send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r");
  kept.send("\nGET /here HTTP/1.1\r\nHost: x\r\nConnection: close" + kEnd);
  const std::string both = kept.rest();
  CHECK(both.find("404") != both.rfind("404"));
  CHECK_FALSE(both.ends_with("…"));
}

TEST_CASE("cli metrics: those who hold on keep nobody out", "[cli_metrics]") {
  Shop shop;
  const Telling telling(shop);
  std::vector<std::unique_ptr<Connection>> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(std::make_unique<Connection>(telling.port));
    silent.back()->send("GET /metrics HTTP/1.1\r\nX: ");
  }
  for (int i = 0; i < 20; ++i) CHECK_THAT(telling.get("/nothing"), Contains("404"));
  CHECK(silent.front()->rest().find("HTTP") == std::string::npos);  // it had to go
  // The last one's time runs out.
  CHECK(silent.back()->rest().find("200") == std::string::npos);
}

TEST_CASE("cli metrics: a worker ends although somebody is connected", "[cli_metrics]") {
  Shop shop;
  Telling telling(shop);
  const Connection silent(telling.port);
  silent.send("GET /metr");
  while (telling.worker.hear().find("worker started") == std::string::npos) {
  }
  telling.worker.signal(SIGTERM);
  CHECK(telling.worker.join() == 0);
  CHECK_THAT(telling.worker.rest(), Contains("worker stopped"));
}

TEST_CASE("cli metrics: an address that is none, or is taken, is told at once", "[cli_metrics]") {
  Shop shop;
  for (const std::string address : {"nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000",
                                    "::1:80", "[::1]", "256.0.0.1:80", ":80", "80x"}) {
    CAPTURE(address);
    const Finished refused = run(worker_at(shop, address));
    CHECK(refused.code == 2);
    CHECK_THAT(refused.output, Contains("no address to listen at"));
  }
  const Telling telling(shop);
  const Finished taken = run(worker_at(shop, std::to_string(telling.port)));
  CHECK(taken.code == 1);
  CHECK_THAT(taken.output, Contains("can't listen at " + std::to_string(telling.port)) &&
                               Contains("--metrics") && !Contains("worker started"));
  std::vector<std::string> once = worker_at(shop, "0");
  once.emplace_back("--once");
  CHECK(run(once).code == 2);
}

TEST_CASE("cli metrics: databases that share a namespace and a target are told apart",
          "[cli_metrics]") {
  Shop one;
  Shop two;
  const std::string path = one.file("worker.toml");
  const std::string drain =
      "[[drain]]\ntarget = \"sqlite:" + one.file("tier") + "\"\ndb = \"sqlite:";
  std::ofstream(path) << "metrics = \"localhost:0\"\nnamespace = \"shop\"\n" + drain + one.path() +
                             "\"\n" + drain + two.path() + "\"\n";
  const Telling telling({kProgram, "worker", "--config", path});
  telling.await_answer("/healthz", "200 OK");
  const std::string page = body_of(telling.get("/metrics"));
  for (const Shop* shop : {&one, &two})
    CHECK_THAT(page, Contains("database=\"sqlite:" + shop->path() + "\"} "));
  const std::string up = "\nquerymark_log_up{";
  CHECK(page.find(up) != page.rfind(up));  // one for each
  CHECK_FALSE(samples_of(page).empty());
}

TEST_CASE("cli metrics: the file may say so, too", "[cli_metrics]") {
  Shop shop;
  const std::string path = shop.file("worker.toml");
  const auto write = [&](const std::string& metrics) {
    std::ofstream(path) << "metrics = \"" + metrics +
                               "\"\nnamespace = \"shop\"\ndb = \"sqlite:" + shop.path() +
                               "\"\n[[drain]]\ntarget = \"sqlite:" + shop.file("one") +
                               "\"\n[[drain]]\ntarget = \"sqlite:" + shop.file("two") + "\"\n";
  };
  write("localhost");
  const std::vector<std::string> command{kProgram, "worker", "--config", path};
  const Finished refused = run(command);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.output, Contains(path + ":1: ") && Contains("no address"));
  write("localhost:0");
  const Telling telling(command);
  telling.await_answer("/healthz", "200 OK");
  const std::string page = body_of(telling.get("/metrics"));
  const std::string sample = "\nquerymark_worker_claims_total{";
  CHECK(page.find(sample) != page.rfind(sample));  // one for each
  CHECK_FALSE(samples_of(page).empty());
}
