#pragma once

#include <memory>
#include <string>

#include "support/temp_dir.hpp"

namespace querymark::test {

/// A certificate that vouches for itself, and its key, in files that every user may read. Copies share
/// the files.
class TestCertificate {
 public:
  /// For names such as "IP:127.0.0.1,DNS:localhost". Throws when the program `openssl` is missing.
  explicit TestCertificate(const std::string& names);

  [[nodiscard]] std::string file() const { return dir_->file("cert.pem"); }
  [[nodiscard]] std::string key_file() const { return dir_->file("key.pem"); }

 private:
  std::shared_ptr<TempDir> dir_;
};

}  // namespace querymark::test
