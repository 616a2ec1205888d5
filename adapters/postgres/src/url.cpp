#include "querymark/postgres/url.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <map>
#include <memory>

#include "connect_string.hpp"
#include "querymark/support/error.hpp"

namespace querymark::postgres {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};

std::string quoted(const std::string& value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + '\'';
}

std::string label(std::map<std::string, std::string>& given) {
  std::string text = "postgresql://";
  if (!given["user"].empty()) text += given["user"] + '@';
  // A folder of sockets, or several hosts: not pretty, but what was given.
  text += given["host"];
  if (!given["port"].empty()) text += ':' + given["port"];
  return text + '/' + given["dbname"];
}

}  // namespace

bool is_url(std::string_view text) noexcept {
  return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

std::string label_of(const std::string& url) { return parse_url(url, {}).label; }

std::string ConnectString::scrub(std::string text) const {
  if (password.empty()) return text;
  for (std::size_t at = 0; (at = text.find(password, at)) != std::string::npos; at += 3)
    text.replace(at, password.size(), "***");
  return text;
}

ConnectString parse_url(const std::string& url, std::chrono::milliseconds connect_timeout) {
  char* complaint = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> parsed(
      PQconninfoParse(url.c_str(), &complaint));
  if (complaint != nullptr) PQfreemem(complaint);  // it may quote the password
  if (!parsed)
    throw ConfigError("the connection URL can't be read; use postgresql://USER@HOST:PORT/DATABASE");
  std::map<std::string, std::string> given;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) given[option->keyword] = option->val;
  if (connect_timeout.count() > 0 && !given.contains("connect_timeout")) {
    // libpq counts whole seconds and takes 1 for 2.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(connect_timeout);
    given["connect_timeout"] = std::to_string(std::max<std::int64_t>(seconds.count(), 2));
  }
  if (!given.contains("fallback_application_name"))
    given["fallback_application_name"] = "querymark";
  given["client_encoding"] = "UTF8";  // as all texts here: parameters, targets, cells
  ConnectString result{.label = {}, .keywords = {}, .password = given["password"]};
  for (const auto& [keyword, value] : given)
    if (!value.empty()) result.keywords += keyword + '=' + quoted(value) + ' ';
  result.label = label(given);
  return result;
}

}  // namespace querymark::postgres
