// The fuzzers without a fuzzer, for every build of the tests: each file of a corpus, each beginning of it, and some
// thousand mutations, the same ones each time.
//
//   corpus_NAME FOLDER

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "support/rounds.hpp"

namespace {

constexpr std::size_t kBeginnings = 512;  // of one file
constexpr int kMutations = querymark::test::rounds(20'000);
constexpr const char* kLeft = "corpus-crash";

std::string tried;  // for whoever looks at what broke

void leave(int /*signal*/) {
  const int file = ::open(kLeft, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  static_cast<void>(!::write(file, tried.data(), tried.size()));
  std::signal(SIGABRT, SIG_DFL);
}

void run(std::string input) {
  tried = std::move(input);
  static_cast<void>(
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(tried.data()), tried.size()));
}

std::vector<std::string> files_in(const char* folder) {
  std::vector<std::string> paths;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    paths.push_back(file.path().string());
  std::ranges::sort(paths);
  std::vector<std::string> files;
  files.reserve(paths.size());
  for (const std::string& path : paths) {
    std::ifstream in(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return files;
}

class Mutations {
 public:
  explicit Mutations(const std::vector<std::string>& files) : files_(files) {}

  std::string next() {
    std::string input = files_[below(files_.size())];
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(input);
    return input;
  }

 private:
  // Not std::uniform_int_distribution: libraries differ in what it draws.
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
  char byte() { return static_cast<char>(below(256)); }

  void change(std::string& input) {
    const std::size_t at = below(input.size() + 1);
    const std::size_t length = std::min(input.size() - at, 1 + below(8));
    switch (below(6)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        if (at < input.size()) input[at] = byte();
        break;
      case 2:
        input.insert(at, 1 + below(8), byte());
        break;
      case 3:
        input.erase(at, length);
        break;
      case 4:
        input.insert(at, input.substr(at, length));
        break;
      default: {
        const std::string& other = files_[below(files_.size())];
        input.replace(at, std::string::npos, other, std::min(at, other.size()));
      }
    }
  }

  const std::vector<std::string>& files_;
  std::mt19937_64 random_{20'261'127};
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  std::signal(SIGABRT, leave);
  const std::vector<std::string> files = files_in(arguments[1]);
  querymark::fuzz::require(!files.empty(), "the corpus has files");
  for (const std::string& file : files) {
    run(file);
    const std::size_t step = 1 + file.size() / kBeginnings;
    for (std::size_t length = 0; length < file.size(); length += step) run(file.substr(0, length));
  }
  Mutations mutations(files);
  for (int i = 0; i < kMutations; ++i) run(mutations.next());
}
