#pragma once

#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/read_machine.hpp"
#include "unit/read_fixture.hpp"

// Drives the machine step by step, so that each test forces one interleaving.

namespace querymark::test {

using namespace std::chrono_literals;
using Action = ReadMachine::Action;

inline const Target kA = tag("a");
inline const Target kB = tag("b");

// What a request refers to, so that it is made first.
struct RequestParts {
  KeyPrefixRef prefix;
  ReadOptions said;
};

// A request for the one number of a query.
class NumberRequest final : public RequestParts, public ReadRequest {
 public:
  NumberRequest(const Source& source, std::vector<Target> declared,
                std::string_view sql = "select n")
      : RequestParts{source.prefix("rows", KeyPrefix::Form::sql, sql),
                     {.tags = std::move(declared), .ttl = 5min}},
        ReadRequest(KeyEncoder(*prefix).call(), said) {}
  Loaded load(const EntryInit& /*init*/) override { throw std::logic_error("driven by hand"); }
  [[nodiscard]] EntryRef materialize(const ResultSet& rows, const EntryInit& init) const override {
    if (rows.columns() != 1) throw TypeError("one column, please");
    return make_entry(init, rows, rows.heap_bytes());
  }
};

struct MachineFixture : ReadFixture {
  using ReadFixture::ReadFixture;

  // The hit path: the number, or nothing.
  std::optional<std::int64_t> find(const NumberRequest& request) {
    const std::vector<TargetId> required = ids_of(request.options.tags);
    ReadResult found;
    if (!source.find({.call = request.call, .options = request.options, .required = required},
                     found))
      return std::nullopt;
    outcome = found.outcome;
    return found.entry.value<ResultSet>()[0][0].as<std::int64_t>();
  }
  [[nodiscard]] SharedValue shared(std::int64_t n, std::uint64_t horizon,
                                   std::vector<Target> targets = {}) const {
    return {.stamp = {kEpoch, {horizon}, {}},
            .stored = clock.wall_now(),
            .expires = clock.wall_now() + 1min,
            .targets = std::move(targets),
            .rows = number(n)};
  }

  Outcome outcome;
};

template <class Step>
bool is(const Action& action) {
  return std::holds_alternative<Step>(action);
}

// What a load that was told to `init` brings.
inline Loaded brought(const EntryInit& init, std::int64_t n) {
  ResultSet rows = number(n);
  EntryRef entry = make_entry(init, rows, rows.heap_bytes());
  return {std::move(entry), std::move(rows), std::nullopt, Stored::yes};
}
inline Loaded brought(const Action& action, std::int64_t n) {
  return brought(std::get<ReadMachine::Load>(action).init, n);
}

inline std::int64_t value_of(const ReadResult& result) {
  return result.entry.value<ResultSet>()[0][0].as<std::int64_t>();
}

inline FlightResult waited(Action& action) {
  return blocking_wait(*std::get<ReadMachine::Await>(action).waiter, std::nullopt).value();
}

}  // namespace querymark::test
