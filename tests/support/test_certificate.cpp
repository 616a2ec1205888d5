#include "support/test_certificate.hpp"

#include <filesystem>
#include <stdexcept>

#include "support/child.hpp"

namespace querymark::test {

TestCertificate::TestCertificate(const std::string& names) : dir_(std::make_shared<TempDir>()) {
  const Finished made = run({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                             "-days", "2", "-subj", "/CN=here", "-addext",
                             "subjectAltName=" + names, "-out", file(), "-keyout", key_file()});
  if (made.code != 0) throw std::runtime_error("no certificate: " + made.output);
  std::filesystem::permissions(dir_->path(), std::filesystem::perms::all);
  std::filesystem::permissions(key_file(), std::filesystem::perms::all);
}

}  // namespace querymark::test
