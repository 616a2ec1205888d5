#include "querymark/database/session_settings.hpp"

#include "querymark/support/digest.hpp"

namespace querymark {

std::string key_of(const SessionSettings& settings) {
  std::string all;
  for (const auto& [name, value] : settings)
    for (const std::string* part : {&name, &value})
      all.append(std::to_string(part->size())).append(":").append(*part);
  return sha256({"querymark settings", all}).hex();
}

}  // namespace querymark
