#pragma once

#include <string>
#include <utility>

#include "process.hpp"

namespace catalogue {

/// Somebody else's session on the catalogue: a process of its own, without querymark, to which SQL
/// is dictated. It ends with its owner.
///
/// Not thread-safe.
class Stranger {
 public:
  /// Starts `program`, which is catalogue_stranger. Throws std::system_error.
  Stranger(const std::string& program, const std::string& database);

  /// Runs one line of SQL, and returns once it is committed. Throws std::runtime_error with what the
  /// session said.
  void run(const std::string& sql);

 private:
  using Pipe = std::pair<Descriptor, Descriptor>;
  Stranger(const std::string& program, const std::string& database, Pipe to, Pipe from);

  Descriptor to_, from_;
  Process process_;
};

}  // namespace catalogue
