#include "querymark/read/source.hpp"

#include <algorithm>
#include <optional>

#include "../memory/shard.hpp"
#include "querymark/read/read_machine.hpp"
#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

// A namespace travels in receipts and stands in every row of the log.
SourceOptions checked(SourceOptions options) {
  constexpr std::size_t kMaxNamespace = 200;
  if (options.scope.namespace_name.size() > kMaxNamespace ||
      !is_plain_utf8(options.scope.namespace_name))
    throw ConfigError("a namespace must be UTF-8 without NUL, of at most " +
                      std::to_string(kMaxNamespace) + " bytes");
  detail::not_negative(options.default_ttl, "default_ttl");
  return options;
}

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

}  // namespace

Source::Source(Cache& cache, SourceOptions options)
    : cache_(cache),
      options_(checked(std::move(options))),
      marks_(cache.mark_cells(options_.mark_cells)),
      domain_(cache.attach(marks_, marks_.bytes())) {}

Source::~Source() { cache_.detach(domain_); }

void Source::attach(std::shared_ptr<SharedTier> tier) { tiers_.push_back(std::move(tier)); }

KeyPrefixRef Source::prefix(std::string_view stored_type, KeyPrefix::Form form,
                            std::string_view text, std::string_view caller_scope,
                            const std::string* session) const {
  Scope scope = options_.scope;
  scope.caller = caller_scope;
  if (session != nullptr) scope.session = *session;
  if (form == KeyPrefix::Form::named) {
    // A key name is the caller's in the whole namespace: key intents carry it without database or
    // session.
    scope.database.clear();
    scope.session.clear();
  }
  return cache_.prefixes_.intern(stored_type, form, scope, text);
}

bool Source::find(const Lookup& lookup, ReadResult& found) noexcept {
  if (!cache_.enabled() || !lookup.options.cached) [[unlikely]]
    return false;
  const MonotonicTime now = cache_.clock().coarse_now();
  const bool trusted = marks_.trusted(now);
  if (!trusted && options_.lagging == Lagging::bypass) return false;
  EntryRef entry = cache_.memory_.search(lookup.call.view, lookup.call.hash);
  if (!entry) [[unlikely]]
    return false;
  const std::chrono::nanoseconds age = entry->age(now);
  const Verdict found_out = verdict(*entry, now, max_age(lookup.options), lookup.required);
  if (found_out != Verdict::fresh) [[unlikely]] {
    refuse(*entry, found_out, now);
    return false;
  }
  found.entry = std::move(entry);
  found.outcome = {
      .status = ReadStatus::hit, .origin = Origin::memory, .stored = Stored::already, .age = age};
  if (trusted) [[likely]] {
    cache_.counters_.hits.add();
  } else {
    cache_.counters_.degraded.add();
    found.outcome.status = ReadStatus::degraded;
  }
  return true;
}

void Source::refuse(const Entry& entry, Verdict verdict, MonotonicTime now) noexcept {
  Cache::Counters& counters = cache_.counters_;
  switch (verdict) {
    case Verdict::targets_differ:
      counters.targets_differed.fetch_add(1);
      return;  // kept: see lead()
    case Verdict::expired:
      counters.expired.fetch_add(1);
      if (!entry.expired_at(now)) return;  // for this caller alone, whose ttl is shorter
      break;
    case Verdict::invalidated:
      counters.invalidated.fetch_add(1);
      break;
    case Verdict::other_domain:
    case Verdict::fresh:
      break;
  }
  cache_.memory_.erase(entry);
}

// The blocking driver: does what the machine says, and tells it what came of it.
ReadResult Source::read(ReadRequest& request) {
  const auto deadline = detail::deadline_of(request.options.timeout);
  ReadMachine machine(*this, request);
  ReadMachine::Action action = machine.start();
  for (;;) {
    if (std::holds_alternative<ReadMachine::Done>(action)) return machine.take_result();
    // All of the caller's code that runs on the way may read: loaders, mappers, destructors of what
    // is evicted.
    std::optional<LeadingScope> leading;
    if (machine.leads()) leading.emplace();
    action = std::visit(
        Overloaded{
            [&](ReadMachine::Await& await) -> ReadMachine::Action {
              return machine.resume(await.waiter->wait(deadline));
            },
            [&](ReadMachine::PollTier& poll) -> ReadMachine::Action {
              return machine.resume(poll.tier->get(poll.name));
            },
            [&](ReadMachine::Load& load) -> ReadMachine::Action {
              Loaded loaded;
              try {
                loaded = request.load(load.init);
              } catch (...) {  // whatever it is, everyone who shares the load gets it
                machine.fail(std::current_exception());
                throw;
              }
              return machine.resume(std::move(loaded));
            },
            [&](ReadMachine::StoreShared& store) -> ReadMachine::Action {
              store.tier->put(options_.scope.namespace_name, store.name, store.value);
              return machine.resume_stored();
            },
            [](ReadMachine::Done&) -> ReadMachine::Action { return ReadMachine::Done{}; },
        },
        action);
  }
}

}  // namespace querymark
