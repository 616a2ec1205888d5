#include "querymark/database/backend.hpp"

namespace querymark {

void Backend::prove(const SharedStamp& stamp) {
  core().subscriber.catch_up();
  if (!core().source.marks().ahead(stamp)) return;
  verify(stamp);
  core().subscriber.catch_up();
}

}  // namespace querymark
