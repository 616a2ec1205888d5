#include "querymark/log/write_fate.hpp"

namespace querymark {

std::string_view to_string(WriteFate fate) noexcept {
  switch (fate) {
    case WriteFate::committed:
      return "committed";
    case WriteFate::rolled_back:
      return "rolled back";
    case WriteFate::running:
      return "running";
    case WriteFate::unknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace querymark
