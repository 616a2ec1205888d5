#include "querymark/read/outcome.hpp"

namespace querymark {
namespace {

std::string describe_age(std::chrono::nanoseconds age) {
  using namespace std::chrono;
  if (age >= hours(1)) return fmt::format("{} h", duration_cast<hours>(age).count());
  if (age >= minutes(2)) return fmt::format("{} min", duration_cast<minutes>(age).count());
  if (age >= seconds(1)) return fmt::format("{} s", duration_cast<seconds>(age).count());
  return fmt::format("{} ms", duration_cast<milliseconds>(age).count());
}

}  // namespace

std::string_view to_string(ReadStatus status) noexcept {
  switch (status) {
    case ReadStatus::hit:
      return "hit";
    case ReadStatus::miss:
      return "miss";
    case ReadStatus::joined:
      return "joined";
    case ReadStatus::bypass:
      return "bypass";
    case ReadStatus::degraded:
      return "degraded";
    case ReadStatus::stale:
      return "stale";
    case ReadStatus::outdated:
      return "outdated";
  }
  return "unknown";
}

std::string_view to_string(Origin origin) noexcept {
  switch (origin) {
    case Origin::database:
      return "database";
    case Origin::memory:
      return "memory";
    case Origin::shared_tier:
      return "shared tier";
  }
  return "unknown";
}

std::string_view to_string(Stored stored) noexcept {
  switch (stored) {
    case Stored::yes:
      return "stored";
    case Stored::already:
      return "already stored";
    case Stored::oversize:
      return "oversize";
    case Stored::superseded:
      return "superseded by a later value";
    case Stored::invalidated:
      return "invalidated during the load";
    case Stored::not_covered:
      return "its snapshot is older than an invalidation or unknown";
    case Stored::disabled:
      return "caching is switched off";
    case Stored::lagging:
      return "the log was not reached for max_lag";
    case Stored::in_transaction:
      return "the transaction has written";
    case Stored::reentrant:
      return "asked for by its own load";
    case Stored::too_many_targets:
      return "its rows imply more targets than a value can carry";
    case Stored::uncacheable:
      return "it tells of the server, which no invalidation speaks of";
    case Stored::unwanted:
      return "its query is not to be cached";
    case Stored::unproven:
      return "its tags can't be found out";
    case Stored::declined:
      return "its rows are not to be kept";
  }
  return "unknown";
}

std::string_view to_string(Refused refused) noexcept {
  switch (refused) {
    case Refused::nothing:
      return "nothing";
    case Refused::expired:
      return "past its ttl";
    case Refused::invalidated:
      return "invalidated";
    case Refused::targets_differ:
      return "kept for other targets";
  }
  return "unknown";
}

std::string_view Outcome::why() const noexcept {
  if (!reason.empty()) return reason;
  if (unverified) return "it depends on more than triggers report";
  return stored == Stored::yes || stored == Stored::already ? std::string_view()
                                                            : to_string(stored);
}

std::string describe(const Outcome& outcome) {
  std::string text =
      fmt::format("{} from {}", to_string(outcome.status), to_string(outcome.origin));
  if (outcome.is_hit()) text += fmt::format(", {} old", describe_age(outcome.age));
  if (outcome.unverified) text += ", unverified";
  if (outcome.refused != Refused::nothing && outcome.origin != Origin::memory)
    text += fmt::format(", where memory's value was {}", to_string(outcome.refused));
  if (outcome.stored != Stored::yes && outcome.stored != Stored::already)
    text += fmt::format(", not stored: {}", to_string(outcome.stored));
  if (!outcome.reason.empty()) text += fmt::format(": {}", outcome.reason);
  return text;
}

}  // namespace querymark
