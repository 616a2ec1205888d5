#include "querymark/postgres/url.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <map>
#include <memory>

#include "connect_string.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"

namespace querymark::postgres {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};

using ParsedUrl = std::unique_ptr<PQconninfoOption, FreeOptions>;

// Nothing when libpq can't read the text, whose complaint may quote a password.
ParsedUrl parsed_url(const std::string& text) {
  char* complaint = nullptr;
  ParsedUrl options(PQconninfoParse(text.c_str(), &complaint));
  if (complaint != nullptr) PQfreemem(complaint);
  return options;
}

bool is_option(std::string_view name) {
  if (name == "ssl") return true;  // of JDBC's URLs; libpq takes ssl=true
  const ParsedUrl all = parsed_url("");
  for (const PQconninfoOption* option = all.get(); option != nullptr && option->keyword != nullptr;
       ++option)
    if (name == option->keyword) return true;
  return false;
}

bool is_plain_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '.' || c == '-';
  });
}

[[noreturn]] void unknown_option(std::string_view name) {
  throw ConfigError(
      "the connection URL has an option that libpq does not know: " + std::string(name) +
      "; check its spelling (a setting of the server goes into options=-c%20NAME%3DVALUE)");
}

constexpr std::string_view kUnescaped =
    "the connection URL can't be read: in a user name or password, percent-encode what has a "
    "meaning in URLs (@ is %40, / is %2F, : is %3A, ? is %3F, # is %23)";

// The parts of `scheme://user@host/path?query`, as libpq finds them.
struct UrlParts {
  explicit UrlParts(std::string_view url) {
    std::string_view rest = url.substr(url.find("://") + 3);
    const std::size_t stop = rest.find_first_of("@/");
    if (stop != std::string_view::npos && rest[stop] == '@') {
      has_user = true;
      rest.remove_prefix(stop + 1);
    }
    host = rest.substr(0, rest.find_first_of("/?"));
    rest.remove_prefix(host.size());
    path = rest.substr(0, rest.find('?'));
    rest.remove_prefix(path.size());
    query = rest.substr(std::min<std::size_t>(rest.size(), 1));
  }
  bool has_user = false;
  std::string_view host;
  std::string_view path;
  std::string_view query;
};

// libpq ends the user's part at the first @ or slash: the rest of a password with one of them would
// become a host's or a database's name, and be shown.
void require_escaped(const UrlParts& url) {
  for (const std::string_view part : {url.host, url.path})
    if (part.find('@') != std::string_view::npos) throw ConfigError(std::string(kUnescaped));
}

// Throws for the first option of a URL's query that libpq does not know.
void require_known_options(const UrlParts& url) {
  const bool hides_password = !url.has_user && url.query.find('@') != std::string_view::npos &&
                              url.host.find(':') != std::string_view::npos;
  if (hides_password) throw ConfigError(std::string(kUnescaped));
  for (std::string_view rest = url.query; !rest.empty();) {
    const std::string_view option = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(option.size() + 1, rest.size()));
    const std::string_view name = option.substr(0, option.find('='));
    if (is_plain_name(name) && !is_option(name)) unknown_option(name);
  }
}

// The same for `name=value name='a value'`.
void require_known_keywords(std::string_view text) {
  std::size_t at = 0;
  const auto skip_blank = [&] {
    while (at < text.size() && ascii::is_blank(text[at])) ++at;
  };
  for (skip_blank(); at < text.size(); skip_blank()) {
    const std::size_t begin = at;
    while (at < text.size() && text[at] != '=' && !ascii::is_blank(text[at])) ++at;
    const std::string_view name = text.substr(begin, at - begin);
    skip_blank();
    if (at == text.size() || text[at] != '=') return;  // what follows may be part of a password
    if (is_plain_name(name) && !is_option(name)) unknown_option(name);
    ++at;
    skip_blank();
    const bool in_quotes = at < text.size() && text[at] == '\'';
    for (at += in_quotes ? 1 : 0; at < text.size(); ++at) {
      if (text[at] == '\\')
        ++at;
      else if (in_quotes ? text[at] == '\'' : ascii::is_blank(text[at]))
        break;
    }
    if (in_quotes && at < text.size()) ++at;
  }
}

// Otherwise libpq would quote it: `postgresql://user:password/database` lacks a host.
void require_port(std::string_view ports) {
  const auto fits = [](char c) { return ascii::is_digit(c) || c == ','; };
  if (!std::ranges::all_of(ports, fits))
    throw ConfigError(
        "the port in the connection URL is not a number; use "
        "postgresql://USER@HOST:PORT/DATABASE");
}

ParsedUrl read(const std::string& url) {
  if (url.find('\0') != std::string::npos) throw ConfigError("the connection URL holds a NUL");
  if (is_url(url)) require_escaped(UrlParts(url));
  ParsedUrl options = parsed_url(url);
  if (options) return options;
  if (is_url(url))
    require_known_options(UrlParts(url));
  else
    require_known_keywords(url);
  throw ConfigError("the connection URL can't be read; use postgresql://USER@HOST:PORT/DATABASE");
}

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

bool is_connection_string(std::string_view text) {
  if (is_url(text)) return true;
  const auto blank_from = [&](std::size_t at) {
    while (at < text.size() && ascii::is_blank(text[at])) ++at;
    return at;
  };
  const std::size_t begin = blank_from(0);
  const std::size_t end = std::min(text.find_first_of("= \t\n", begin), text.size());
  const std::size_t equals = blank_from(end);
  return equals < text.size() && text[equals] == '=' && is_option(text.substr(begin, end - begin));
}

std::string label_of(const std::string& url) { return parse_url(url, {}).label; }

std::string ConnectString::scrub(std::string text) const {
  for (const std::string& secret : secrets)
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
      text.replace(at, secret.size(), "***");
  return text;
}

ConnectString parse_url(const std::string& url, std::chrono::milliseconds connect_timeout) {
  const ParsedUrl options = read(url);
  std::map<std::string, std::string> given;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr && *option->val != '\0')  // an empty one says nothing
      given[option->keyword] = option->val;
  require_port(given["port"]);
  if (connect_timeout.count() > 0 && !given.contains("connect_timeout")) {
    // libpq counts whole seconds and takes 1 for 2.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(connect_timeout);
    given["connect_timeout"] = std::to_string(std::max<std::int64_t>(seconds.count(), 2));
  }
  if (!given.contains("fallback_application_name"))
    given["fallback_application_name"] = "querymark";
  // A peer that is gone without a word is noticed in minutes, not after the system's two hours.
  for (const auto& [keyword, value] : {std::pair{"keepalives_idle", "60"},
                                       {"keepalives_interval", "10"},
                                       {"keepalives_count", "3"}})
    given.try_emplace(keyword, value);
  given["client_encoding"] = "UTF8";  // as all texts here: parameters, targets, cells
  ConnectString result;
  for (const char* secret : {"password", "sslpassword"})
    if (!given[secret].empty()) result.secrets.push_back(given[secret]);
  for (const auto& [keyword, value] : given)
    if (!value.empty()) result.keywords += keyword + '=' + quoted(value) + ' ';
  result.label = label(given);
  return result;
}

}  // namespace querymark::postgres
