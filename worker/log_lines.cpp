#include "log_lines.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "output.hpp"
#include "printable.hpp"

namespace querymark::cli {
namespace {

using Context = LogLines::Context;

std::string as_text(std::string_view event, LogFields fields, const Context& context) {
  std::string line(event);
  for (const auto& [name, value] : fields) {
    line += fmt::format(" {}=", name);
    if (const auto* text = std::get_if<std::string_view>(&value))
      line += printable(*text);
    else
      line += fmt::format("{}", std::get<std::uint64_t>(value));
  }
  for (const auto& [name, value] : context) line += fmt::format(" {}={}", name, printable(value));
  return line;
}

std::string as_json(std::string_view event, LogFields fields, const Context& context) {
  nlohmann::json line{{"event", event}};
  for (const auto& [name, value] : fields)
    std::visit([&, key = std::string(name)](const auto& v) { line[key] = v; }, value);
  for (const auto& [name, value] : context) line[name] = value;
  return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// spdlog's own would let a full or broken standard error go unnoticed, or wait for its reader.
class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    complain({line.data(), line.size()});
  }
  void flush_() override {}
};

}  // namespace

LogLines::LogLines(bool json) : json_(json) {
  auto logger = std::make_shared<spdlog::logger>("querymark", std::make_shared<StandardError>());
  logger->set_pattern(json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","log":%v})"
                           : "%Y-%m-%d %H:%M:%S.%e %l %v");
  spdlog::set_default_logger(std::move(logger));
}

LogLines LogLines::with(Context context) const {
  LogLines copy = *this;
  copy.context_ = std::move(context);
  return copy;
}

void LogLines::write(int level, std::string_view event, LogFields fields) const {
  spdlog::log(static_cast<spdlog::level::level_enum>(level), "{}",
              json_ ? as_json(event, fields, context_) : as_text(event, fields, context_));
}

void LogLines::info(std::string_view event, LogFields fields) const {
  write(spdlog::level::info, event, fields);
}

void LogLines::warn(std::string_view event, LogFields fields) const {
  write(spdlog::level::warn, event, fields);
}

void LogLines::error(std::string_view event, LogFields fields) const {
  write(spdlog::level::err, event, fields);
}

void remark(bool json, std::string_view event, const std::string& text) {
  if (json)
    LogLines(true).warn(event, {{"error", text}});
  else
    complain("querymark: " + printable_lines(text) + '\n');
}

}  // namespace querymark::cli
