#include "querymark/log/intent.hpp"

#include "querymark/support/error.hpp"

namespace querymark {

IntentBatch& IntentBatch::add(Target target) {
  targets_.add(std::move(target));
  return *this;
}

IntentBatch& IntentBatch::reason(std::string text) {
  if (text.size() > 500 || !is_plain_utf8(text))
    throw ConfigError("a reason must be UTF-8 without NUL, of at most 500 bytes");
  reason_ = std::move(text);
  return *this;
}

}  // namespace querymark
