#include "log_lines.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace querymark::cli {
namespace {

std::string as_text(std::string_view event, LogFields fields) {
  std::string line(event);
  for (const auto& [name, value] : fields) {
    line += fmt::format(" {}=", name);
    std::visit([&line](const auto& v) { line += fmt::format("{}", v); }, value);
  }
  return line;
}

std::string as_json(std::string_view event, LogFields fields) {
  nlohmann::json line{{"event", event}};
  for (const auto& [name, value] : fields)
    std::visit([&, key = std::string(name)](const auto& v) { line[key] = v; }, value);
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write(spdlog::level::level_enum level, bool json, std::string_view event, LogFields fields) {
  spdlog::log(level, "{}", json ? as_json(event, fields) : as_text(event, fields));
}

}  // namespace

LogLines::LogLines(bool json) : json_(json) {
  auto logger = std::make_shared<spdlog::logger>(
      "querymark", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern(json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","log":%v})"
                           : "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void LogLines::info(std::string_view event, LogFields fields) const {
  write(spdlog::level::info, json_, event, fields);
}

void LogLines::warn(std::string_view event, LogFields fields) const {
  write(spdlog::level::warn, json_, event, fields);
}

}  // namespace querymark::cli
