#include "metrics_server.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <list>
#include <optional>
#include <utility>

#include "querymark/observe/metrics.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/thread.hpp"

// One thread runs the acceptor and all sessions: what they share needs no lock. From other threads come
// only `io_context::stop` and what the acceptor's endpoint is, which does not change.

namespace querymark::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using beast::error_code;

constexpr std::size_t kMostSessions = 16;
constexpr std::size_t kLongestHeader = 8 << 10;
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kFarewell{1};

using Parser = http::request_parser<http::empty_body>;
using Response = http::response<http::string_body>;
// Each stream is its session's; the list is in the order of their coming.
using Sessions = std::list<beast::tcp_stream*>;

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

tcp::endpoint metrics_endpoint(const std::string& where) {
  const std::size_t colon = where.rfind(':');
  std::string host = colon == std::string::npos ? "127.0.0.1" : where.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string::npos)
    host.clear();  // an address of IPv6 without brackets: its end may be meant for a port
  if (host == "localhost") host = "127.0.0.1";
  error_code wrong;
  const asio::ip::address address = asio::ip::make_address(host, wrong);
  const auto port = port_of(colon == std::string::npos ? where : where.substr(colon + 1));
  if (wrong || !port)
    throw ConfigError(fmt::format(
        "metrics: \"{}\" is no address to listen at: say 127.0.0.1:9464, [::1]:9464 or 9464",
        where));
  return {address, *port};
}

Response plain(http::status status, unsigned version, std::string text) {
  Response response{status, version};
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.set(http::field::cache_control, "no-store");
  response.body() = std::move(text);
  return response;
}

Response answer_to(const Parser::value_type& request, const MetricsAnswers& answers) {
  using enum http::status;
  const unsigned version = request.version();
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    Response response = plain(method_not_allowed, version, "GET or HEAD\n");
    response.set(http::field::allow, "GET, HEAD");
    return response;
  }
  const std::string_view path = request.target().substr(0, request.target().find('?'));
  if (path == "/metrics") {
    Response response = plain(ok, version, answers.metrics());
    response.set(http::field::content_type, std::string(Metrics::kPrometheusType));
    return response;
  }
  if (path == "/healthz") {
    const std::string illness = answers.illness();
    return illness.empty() ? plain(ok, version, "ok\n")
                           : plain(service_unavailable, version, illness + "\n");
  }
  return plain(not_found, version, "here are /metrics and /healthz\n");
}

// What was sent is no request; nothing: nobody waits for an answer.
std::optional<Response> answer_to_error(error_code failed) {
  if (failed == http::error::header_limit || failed == http::error::buffer_overflow)
    return plain(http::status::request_header_fields_too_large, 11, "too long\n");
  if (failed.category() == http::make_error_code(http::error::bad_method).category() &&
      failed != http::error::end_of_stream && failed != http::error::partial_message)
    return plain(http::status::bad_request, 11, "no HTTP request\n");
  return std::nullopt;
}

asio::awaitable<void> write(beast::tcp_stream& stream, Response& response, bool head) {
  response.prepare_payload();
  http::response_serializer<http::string_body> serializer{response};
  stream.expires_after(kPatience);
  if (head)
    co_await http::async_write_header(stream, serializer, asio::use_awaitable);
  else
    co_await http::async_write(stream, serializer, asio::use_awaitable);
}

// Whoever still sends would lose the answer if its connection were just closed: what it sends is taken in
// for a moment, and thrown away.
asio::awaitable<void> part(beast::tcp_stream& stream) {
  error_code done;
  if (stream.socket().shutdown(tcp::socket::shutdown_send, done)) co_return;
  std::array<char, 4096> ignored{};
  stream.expires_after(kFarewell);
  while (!done)
    co_await stream.async_read_some(asio::buffer(ignored),
                                    asio::redirect_error(asio::use_awaitable, done));
}

asio::awaitable<void> serve(beast::tcp_stream& stream, const MetricsAnswers& answers) {
  beast::flat_buffer buffer(2 * kLongestHeader);
  for (bool goes_on = true; goes_on;) {
    Parser parser;
    parser.header_limit(kLongestHeader);
    parser.body_limit(boost::none);  // none is read
    error_code failed;
    stream.expires_after(kPatience);
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, failed));
    std::optional<Response> response = failed ? answer_to_error(failed) : std::nullopt;
    if (failed && !response) co_return;
    if (!response) response = answer_to(parser.get(), answers);
    // A body is not read: what comes behind it can't be found.
    goes_on = !failed && parser.is_done() && parser.get().keep_alive();
    response->keep_alive(goes_on);
    co_await write(stream, *response, !failed && parser.get().method() == http::verb::head);
  }
  co_await part(stream);
}

asio::awaitable<void> session(tcp::socket socket, const MetricsAnswers& answers,
                              Sessions& sessions) {
  beast::tcp_stream stream(std::move(socket));
  struct Place {
    Sessions& all;
    Sessions::iterator mine;
    Place(Sessions& sessions, beast::tcp_stream* stream)
        : all(sessions), mine(sessions.insert(sessions.end(), stream)) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { all.erase(mine); }
  };
  const Place place(sessions, &stream);
  try {
    co_await serve(stream, answers);
  } catch (const std::exception&) {  // gone, or too slow: it is theirs
  }
}

asio::awaitable<void> accept_all(tcp::acceptor& acceptor, const MetricsAnswers& answers,
                                 Sessions& sessions) {
  const auto executor = acceptor.get_executor();
  for (;;) {
    error_code failed;
    tcp::socket socket =
        co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
    if (failed) {  // no descriptors, for instance: others need time to give some back
      asio::steady_timer pause(executor, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
      continue;
    }
    if (sessions.size() >= kMostSessions) sessions.front()->close();
    asio::co_spawn(executor, session(std::move(socket), answers, sessions), asio::detached);
  }
}

}  // namespace

struct MetricsServer::State {
  State(const std::string& where, MetricsAnswers given)
      : answers(std::move(given)), acceptor(context) {
    const tcp::endpoint endpoint = metrics_endpoint(where);
    try {
      acceptor.open(endpoint.protocol());
      acceptor.set_option(tcp::acceptor::reuse_address(true));
      acceptor.bind(endpoint);
      acceptor.listen();
    } catch (const boost::system::system_error& failure) {
      throw Error(
          fmt::format("can't listen at {} (--metrics, or metrics in the file of --config): {}",
                      where, failure.code().message()));
    }
    asio::co_spawn(context, accept_all(acceptor, answers, sessions), asio::detached);
    thread = start_thread([this] { context.run(); });
  }
  ~State() {
    context.stop();
    thread.join();
  }

  const MetricsAnswers answers;
  Sessions sessions;
  asio::io_context context{1};
  tcp::acceptor acceptor;
  std::jthread thread;
};

MetricsServer::MetricsServer(const std::string& where, MetricsAnswers answers)
    : state_(std::make_unique<State>(where, std::move(answers))) {}

MetricsServer::~MetricsServer() = default;

std::string MetricsServer::address() const {
  const tcp::endpoint endpoint = state_->acceptor.local_endpoint();
  const std::string host = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                    : fmt::format("{}:{}", host, endpoint.port());
}

void check_metrics_address(const std::string& where) { static_cast<void>(metrics_endpoint(where)); }

}  // namespace querymark::cli
