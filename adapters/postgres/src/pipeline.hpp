#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "handle.hpp"
#include "querymark/key/parameter.hpp"

namespace querymark::postgres {

/// Values in the form that libpq takes.
struct Bound {
  explicit Bound(std::span<const ParameterView> values);
  [[nodiscard]] int size() const noexcept { return static_cast<int>(pointers.size()); }

  std::vector<std::optional<std::string>> texts;
  std::vector<const char*> pointers;
};

/// Send a statement with its values; false when libpq refuses.
[[nodiscard]] bool send_bound(PGconn* native, const char* sql, const Bound& bound);
[[nodiscard]] bool send_prepared(PGconn* native, const char* name, const Bound& bound);
[[nodiscard]] bool is_failure(const PGresult* result) noexcept;
/// Rows that a statement changed.
[[nodiscard]] std::int64_t affected(const PGresult* result);
/// Of a description: the types (by their oids) that the server has settled for parameters.
[[nodiscard]] std::vector<unsigned> parameter_types(const PGresult* description);

/// One statement of several that share a round trip.
struct Part {
  enum class Kind : std::uint8_t { text, named };
  std::string text;  ///< The statement, or the name under which it is prepared.
  Kind kind = Kind::text;
  std::vector<ParameterView> values{};  ///< What they point into must outlive the call.
};
/// A caller's statement that nobody waits for.
struct Sent {
  std::string sql;
  std::vector<OwnedParameter> values;
  std::int64_t* changed = nullptr;  ///< Gets the number of rows that it changed, unless null.
};
/// What a session has of a caller's statement.
struct Prepared {
  std::string name{};    ///< Under which it is prepared; empty: it is not, and shall not be.
  bool already = false;  ///< It is; else it is prepared on the way.
  /// Functions that it calls, which no others may bear the names of.
  std::vector<std::string> calls{};
  bool fills_in = false;  ///< It may fill columns with their defaults.
};

/// What a pipeline sends: a text, or the name of a prepared statement, with its values; or a text that
/// is to be prepared under a name; or the name of one that is to be described.
struct Step {
  const char* text;
  const Bound* bound = nullptr;
  bool prepared = false;
  const char* prepare_as = nullptr;
  bool describe = false;

  [[nodiscard]] bool send(PGconn* native) const;
};

/// What is prepared on the way has so many steps more.
constexpr std::size_t kPreparing = 2;
/// The steps that run a text with its values, or prepare it, describe that and run it under its name.
/// Nothing is copied.
void add_steps(std::vector<Step>& steps, const char* sql, const Bound& bound, const Prepared& as);

/// Steps with what they point into, but for the texts and names, which must outlive them.
class Steps {
 public:
  /// `most`: how many statements are added at most.
  explicit Steps(std::size_t most);
  void add(const Part& part);
  void add(std::span<const Part> parts);
  void add(const std::string& sql, std::span<const ParameterView> values, const Prepared& as = {});
  /// `first`: what the session has of the first one.
  void add(std::span<const Sent> sent, const Prepared& first = {});

  [[nodiscard]] std::span<const Step> all() const noexcept { return steps_; }
  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }

 private:
  std::vector<Bound> bound_;
  std::vector<Step> steps_;
};

/// What has been sent to a server, and the answers that come back in the same order, each time up to
/// a Sync. Knows neither time limits nor whose statements they are. Not thread-safe.
///
/// States: empty -> ahead (something is sent, and no Sync) -> ended (with a Sync) -> empty (finish). In
/// the latter two answers may be owed, and more be sent: what follows a Sync has one of its own.
///
/// What returns false leaves the connection in a state that nobody knows: it is lost then.
class Pipeline {
 public:
  /// The connection must outlive the object.
  explicit Pipeline(PGconn* native) noexcept : native_(native) {}

  [[nodiscard]] bool send(std::span<const Step> steps);
  /// Asks the server to answer what was sent up to here before it goes on.
  [[nodiscard]] bool request_answers();
  /// Sends what libpq may still hold back.
  [[nodiscard]] bool flush();
  /// The Sync.
  [[nodiscard]] bool end();
  /// The next answers; what has failed, and what comes after it, has none. Blocks.
  void take(std::span<ResultHandle> results, ResultHandle& failed);
  /// Takes in the answer to a Sync. Blocks.
  [[nodiscard]] bool finish();
  /// All of it: one round trip.
  [[nodiscard]] bool run(std::span<const Step> steps, std::span<ResultHandle> results,
                         ResultHandle& failed);

  /// Answers that are to come.
  [[nodiscard]] std::size_t owed() const noexcept { return owed_; }
  /// Some are, of statements that no Sync has ended.
  [[nodiscard]] bool ahead() const noexcept { return owed_ > 0 && ends_ == 0; }
  /// Some are, of statements that have ended.
  [[nodiscard]] bool late() const noexcept { return owed_ > 0 && ends_ > 0; }

  /// All results up to the next null: the last one that succeeded, and the first that failed. Also
  /// outside pipelines. A COPY is ended; its tag is "COPY". Blocks.
  void take_one(ResultHandle& last, ResultHandle& failed);
  /// The command tags ("COMMIT", "UPDATE 3") of what has succeeded since the last clear_tags().
  [[nodiscard]] const std::vector<std::string>& tags() const noexcept { return tags_; }
  void clear_tags() noexcept { tags_.clear(); }
  void set_tags(std::vector<std::string> tags) noexcept { tags_ = std::move(tags); }

 private:
  void finish_copy(ExecStatusType direction);

  PGconn* native_;
  std::vector<std::string> tags_;
  std::size_t owed_ = 0;
  std::size_t ends_ = 0;  // Syncs whose answers are to come
};

}  // namespace querymark::postgres
