#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"
#include "questions.hpp"

namespace catalogue {

/// A package that measurements and exercises ask about.
struct Sample {
  std::string name, section;
  std::string dependency;  ///< One of its dependencies, or itself when it has none.
};

/// The same questions without querymark: a connection of its own and its prepared statements. What
/// cached answers are compared with, in time and in content.
///
/// Not thread-safe.
class Direct {
 public:
  /// `database` is a URL, as in backend_of. Throws the client library's exceptions.
  explicit Direct(const std::string& database);

  [[nodiscard]] std::vector<Package> package(const std::string& name);
  [[nodiscard]] std::vector<NeededBy> needed_by(const std::string& name);
  [[nodiscard]] std::vector<Large> largest(const std::string& section);
  [[nodiscard]] std::vector<std::int64_t> reach(const std::string& name);
  [[nodiscard]] std::vector<Totals> totals();

  /// The largest packages of each section: changes of them show in every question. At most
  /// `at_most`, the same for every caller on the same data.
  [[nodiscard]] std::vector<Sample> samples(std::size_t at_most);

 private:
  template <class T, class... Args>
  [[nodiscard]] std::vector<T> ask(std::size_t statement, const Args&... args);

  std::unique_ptr<PlainClient> client_;
  std::size_t package_, needed_by_, largest_, reach_, totals_;
};

}  // namespace catalogue
