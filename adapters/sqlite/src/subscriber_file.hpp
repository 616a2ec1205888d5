#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "querymark/support/embedded_sql.hpp"

namespace querymark::sqlite {

/// What the file beside a database is called after it.
inline constexpr std::string_view kSubscriberSuffix = "-subscribers";

/// The file beside a database in which its subscribers are, made when it is first needed. What is
/// damaged is made anew. Not thread-safe; all members throw Error.
class SubscriberFile {
 public:
  explicit SubscriberFile(std::chrono::milliseconds busy_timeout) : busy_timeout_(busy_timeout) {}

  /// Beside which database, its symbolic links resolved: the file that is used from now on.
  void stand_beside(const std::string& database);

  ResultSet query(const SqlStatement& sql, std::initializer_list<ParameterView> values = {});
  /// The same for who may only read the folder: nothing, where nobody has the file open.
  ResultSet look(const SqlStatement& sql, std::initializer_list<ParameterView> values = {});
  std::int64_t execute(const SqlStatement& sql, std::initializer_list<ParameterView> values = {});
  /// Rings at whoever watches the file's attributes; heartbeats change its content alone.
  void touch();

 private:
  template <class Run>
  auto with_file(Run&& run);
  [[nodiscard]] Connection& open();

  std::chrono::milliseconds busy_timeout_;
  std::string database_;
  std::string path_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace querymark::sqlite
