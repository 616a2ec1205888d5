#pragma once  // For users.

#include <concepts>
#include <cstdint>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "querymark/key/parameters.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/support/sql_text.hpp"
#include "querymark/write/read_transaction.hpp"

namespace querymark {

/// A write transaction, as the function given to a database's `write` sees it. Reads through it see
/// its own writes and touch no cache, but for queries that are read `.in(tx)` before it has changed
/// anything. Not thread-safe; valid until the function returns.
class Transaction : public ReadTransaction {
 public:
  /// Runs one statement with bound parameters; returns the number of rows changed. Throws Error.
  template <HasParameterTraits... Args>
  std::int64_t execute(std::string_view sql, const Args&... args) {
    require_no_nul(sql);
    note_change();
    return execute_values(sql, detail::CallParameters<Args...>(args...).views());
  }
  /// One statement whose result nobody waits for: it goes out with the next one that is awaited, or
  /// with COMMIT, in the order of the calls. Where it fails that call throws, naming this statement,
  /// and nothing is committed; a savepoint made after it does not help. Copies its parameters. Where
  /// a round trip costs nothing (SQLite) it is execute().
  template <HasParameterTraits... Args>
  void send(std::string_view sql, const Args&... args) {
    require_no_nul(sql);
    note_change();
    send_values(sql, detail::CallParameters<Args...>(args...).views(), nullptr);
  }
  /// The same; `changed` gets the number of rows by the time that write() returns, and must live
  /// until then.
  template <HasParameterTraits... Args>
  void send_counted(std::int64_t& changed, std::string_view sql, const Args&... args) {
    require_no_nul(sql);
    note_change();
    send_values(sql, detail::CallParameters<Args...>(args...).views(), &changed);
  }
  /// Adds an intent: written to the log together with the data.
  Transaction& invalidate(Target target) {
    require_usable();
    note_change();
    intents_.add(std::move(target));
    return *this;
  }
  /// Adds one for each target of a range, such as `entity_and_collection("product", 7)`.
  template <std::ranges::input_range Targets>
    requires std::convertible_to<std::ranges::range_reference_t<const Targets>, Target>
  Transaction& invalidate(const Targets& targets) {
    for (const Target& target : targets) invalidate(target);
    return *this;
  }
  /// Why, for operators who read the log.
  Transaction& reason(std::string text) {
    require_usable();
    intents_.reason(std::move(text));
    return *this;
  }

  /// What has been declared so far.
  [[nodiscard]] const IntentBatch& intents() const noexcept { return intents_; }

 protected:
  explicit Transaction(IntentBatch& intents) : intents_(intents) {}
  ~Transaction() override = default;
  virtual std::int64_t execute_values(std::string_view sql,
                                      std::span<const ParameterView> values) = 0;
  /// `changed` may be null.
  virtual void send_values(std::string_view sql, std::span<const ParameterView> values,
                           std::int64_t* changed) {
    const std::int64_t rows = execute_values(sql, values);
    if (changed != nullptr) *changed = rows;
  }

 private:
  IntentBatch& intents_;
};

}  // namespace querymark
