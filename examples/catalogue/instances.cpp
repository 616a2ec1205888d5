#include "instances.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "backend.hpp"
#include "routes.hpp"

namespace catalogue {
namespace {

using std::chrono::steady_clock;

// A process whose messages go to a file.
struct Logged {
  std::string name;
  std::string log;
  Process process;
};

Logged start(const std::string& name, const SharedFiles& files,
             const std::vector<std::string>& arguments, int in, int out) {
  const std::string log = files.log_folder + '/' + name + ".log";
  const Descriptor file(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (file.get() < 0) throw std::system_error(errno, std::generic_category(), log);
  return {name, log,
          Process(arguments, {.in = in, .out = out < 0 ? file.get() : out, .err = file.get()})};
}

[[noreturn]] void fail(Logged& which, int code) {
  std::ifstream file(which.log);
  std::ostringstream text;
  text << file.rdbuf();
  constexpr std::size_t kLastWords = 2000;
  std::string words = text.str();
  if (words.size() > kLastWords) words.erase(0, words.size() - kLastWords);
  throw std::runtime_error(which.name + " ended with exit code " + std::to_string(code) + '\n' +
                           words);
}

// One instance of the service, and what it says on its standard output: lines of JSON.
class Instance {
 public:
  Instance(const std::string& name, const Programs& programs, const SharedFiles& files,
           const InstanceOptions& options, int peer, bool leads)
      : Instance(make_pipe(), name, programs, files, options, peer, leads) {}

  [[nodiscard]] int descriptor() const noexcept { return from_.get(); }
  [[nodiscard]] std::uint64_t checked() const noexcept { return checked_; }
  [[nodiscard]] const std::optional<Tally>& result() const noexcept { return result_; }

  /// Takes what there is to read.
  void read() {
    std::array<char, 65536> buffer{};
    const ssize_t length = ::read(from_.get(), buffer.data(), buffer.size());
    if (length <= 0) {
      const int code = logged_.process.wait();
      if (code != 0 || !result_) fail(logged_, code);
      from_.close();
      return;
    }
    text_.append(buffer.data(), static_cast<std::size_t>(length));
    for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
      const nlohmann::json said = nlohmann::json::parse(text_.substr(0, end));
      text_.erase(0, end + 1);
      if (said.contains("progress")) checked_ = said.at("progress");
      if (said.contains("result")) result_ = said.at("result").get<Tally>();
    }
  }
  [[nodiscard]] bool finished() const noexcept { return from_.get() < 0; }

 private:
  Instance(std::pair<Descriptor, Descriptor> pipe, const std::string& name,
           const Programs& programs, const SharedFiles& files, const InstanceOptions& options,
           int peer, bool leads)
      : from_(std::move(pipe.first)),
        logged_(start(name, files, arguments(programs, files, options, leads), peer,
                      pipe.second.get())) {}

  static std::vector<std::string> arguments(const Programs& programs, const SharedFiles& files,
                                            const InstanceOptions& options, bool leads) {
    std::vector<std::string> list{
        programs.service, "--db",       files.database, "--tier",
        files.tier,       "--exercise", "--seconds",    std::to_string(options.seconds)};
    // Often enough that the canary is found soon.
    if (options.automatic) list.insert(list.end(), {"--automatic", "--audit", "0.02"});
    if (leads) list.emplace_back("--leads");
    if (leads && options.canary) list.emplace_back("--canary");
    return list;
  }

  Descriptor from_;
  Logged logged_;
  std::string text_;
  std::uint64_t checked_ = 0;
  std::optional<Tally> result_;
};

// Runs the command that operators use.
void run(const Programs& programs, const SharedFiles& files, Interrupts& interrupts,
         std::vector<std::string> command) {
  const std::string name = command.front();
  command.insert(command.begin(), programs.querymark);
  command.insert(command.end(), {"--db", files.database});
  Logged started = start(name, files, command, -1, -1);
  const int code = started.process.wait();
  interrupts.check();
  if (code != 0) fail(started, code);
}

}  // namespace

void migrate(const Programs& programs, const SharedFiles& files, Interrupts& interrupts) {
  run(programs, files, interrupts, {"migrate"});
}

void track(const Programs& programs, const SharedFiles& files, Interrupts& interrupts) {
  const std::unique_ptr<Backend> backend = backend_of(files.database);
  std::vector<std::string> check{"track", "--check"};
  for (const Routes& routes : kRoutes) {
    std::vector<std::string> command{"track", backend->table(routes.table)};
    check.push_back(command.back());
    for (const char* column : routes.by) command.insert(command.end(), {"--by", column});
    run(programs, files, interrupts, std::move(command));
  }
  run(programs, files, interrupts, std::move(check));
}

Tally run_instances(const Programs& programs, const SharedFiles& files,
                    const InstanceOptions& options, Interrupts& interrupts,
                    const std::function<void(std::uint64_t)>& progress) {
  constexpr int kLookAgain = 200;  // ms: at the worker and the deadline
  constexpr std::chrono::seconds kPatience{60};
  Logged worker = start("worker", files,
                        {programs.querymark, "worker", "--db", files.database, "--namespace",
                         kNamespace, "--target", "sqlite:" + files.tier, "--json"},
                        -1, -1);
  auto [left, right] = make_socket_pair();
  Instance first("instance-a", programs, files, options, left.get(), true);
  Instance second("instance-b", programs, files, options, right.get(), false);
  left.close();  // so that an instance notices when the other ends
  right.close();

  std::uint64_t checked = 0;
  auto deadline = steady_clock::now() + kPatience;  // moves with what is checked
  while (!first.finished() || !second.finished()) {
    std::array<pollfd, 3> watch{{{interrupts.descriptor(), POLLIN, 0},
                                 {first.descriptor(), POLLIN, 0},
                                 {second.descriptor(), POLLIN, 0}}};
    poll(watch.data(), watch.size(), kLookAgain);
    interrupts.check();
    if (watch[1].revents != 0) first.read();
    if (watch[2].revents != 0) second.read();
    const std::uint64_t now_checked = first.checked() + second.checked();
    progress(now_checked);
    if (std::exchange(checked, now_checked) != now_checked)
      deadline = steady_clock::now() + kPatience;
    if (const auto code = worker.process.ended()) fail(worker, *code);
    if (steady_clock::now() > deadline) throw std::runtime_error("the instances stand still");
  }
  if (const int code = worker.process.stop(); code != 0) fail(worker, code);
  return *first.result() + *second.result();
}

}  // namespace catalogue
