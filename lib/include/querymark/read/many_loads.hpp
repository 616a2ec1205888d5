#pragma once

#include <cstddef>
#include <exception>
#include <span>
#include <variant>
#include <vector>

#include "querymark/memory/entry.hpp"
#include "querymark/read/read_request.hpp"

// For nobody outside: how the reads of several keys that memory could not serve are run together.

namespace querymark {

class Source;

/// Loads for several requests at once.
class ManyLoads {
 public:
  ManyLoads() = default;
  ManyLoads(const ManyLoads&) = delete;
  ManyLoads& operator=(const ManyLoads&) = delete;
  virtual ~ManyLoads() = default;

  struct Wanted {
    std::size_t request;  ///< Its number.
    const EntryInit* init;
  };
  /// What came, or why nothing can be made of it.
  using Answer = std::variant<Loaded, std::exception_ptr>;
  /// Asks the database once, or a replica where one may be asked, and answers each, in that order.
  /// Blocks. Throws what concerns them all.
  [[nodiscard]] virtual std::vector<Answer> load(std::span<const Wanted> wanted, bool replica) = 0;
};

/// Serves the requests, which are of different keys and have the same options, each as `blocking_read`
/// would: but for one read of each shared tier, one load, no lease among processes, and no executor.
/// Blocks. Throws the error of the first of them that has one, once those that were under way are kept.
[[nodiscard]] std::vector<ReadResult> blocking_read_many(Source& source,
                                                         std::span<ReadRequest* const> requests,
                                                         ManyLoads& loads);

}  // namespace querymark
