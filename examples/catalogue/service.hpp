#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backend.hpp"
#include "changes.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/write/written.hpp"
#include "questions.hpp"

namespace catalogue {

/// The package catalogue as an application serves it: questions are cached, and every process's
/// answers are kept fresh by what writes declare or, with automatic tags, by what triggers report.
///
/// Thread-safe. Owns its cache and its database.
class Service {
 public:
  /// Opens the migrated database (its URL, as in backend_of), and the file tier unless `tier` is
  /// empty. With automatic tags its tables are tracked. Throws querymark::Error.
  Service(const std::string& database, const std::string& tier, const StoreOptions& options = {});

  /// At most one row: none when there is no such package.
  [[nodiscard]] qm::Rows<Package> package(std::string_view name) const {
    return questions_.package(name);
  }
  [[nodiscard]] qm::Rows<NeededBy> needed_by(std::string_view name) const {
    return questions_.needed_by(name);
  }
  [[nodiscard]] qm::Rows<Large> largest(std::string_view section) const {
    return questions_.largest(section);
  }
  /// One row: how many packages `name` pulls in.
  [[nodiscard]] qm::Rows<std::int64_t> reach(std::string_view name) const {
    return questions_.reach(name);
  }
  /// One row.
  [[nodiscard]] qm::Rows<Totals> totals() const { return questions_.totals(); }

  // The changes of changes.hpp, and what has to be declared of each, within a transaction of
  // store().write.

  void bump(qm::Transaction& tx, std::string_view name, std::string_view version);
  std::optional<Publication> remove(qm::Transaction& tx, std::string_view name);
  void publish(qm::Transaction& tx, const Publication& publication);

  // Each in a transaction of its own.

  /// Sets a package's version. Throws std::out_of_range when there is no such package.
  qm::Receipt bump(std::string_view name, std::string_view version);
  /// Removes a package and its dependencies; the value is what was removed, if anything.
  qm::Written<std::optional<Publication>> remove(std::string_view name);
  /// Adds a package with its dependencies. Throws querymark::Error when it is there.
  qm::Receipt publish(const Publication& publication);

  /// Waits until this process's answers include the write behind the receipt, whoever made it.
  [[nodiscard]] qm::WaitOutcome wait(const qm::Receipt& receipt, std::chrono::milliseconds timeout);

  [[nodiscard]] Store& store() noexcept { return *store_; }
  [[nodiscard]] qm::CacheStats stats() const { return cache_.stats(); }

 private:
  qm::Cache cache_;
  std::unique_ptr<Store> store_;
  Questions questions_;
  bool declares_;
};

}  // namespace catalogue
