#include "querymark/file_tier/file_tier.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include "backends/backend.hpp"
#include "backends/readable_tier.hpp"
#include "backends/sqlite_file.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

// Longer than a reader waits for another's write: this program has nothing better to do.
constexpr std::chrono::seconds kPatience{5};

class FileTierBackend final : public Backend {
 public:
  [[nodiscard]] bool accepts(const std::string& url) const override {
    return may_be_sqlite_file(url);
  }
  [[nodiscard]] std::string_view target_form() const noexcept override {
    return "sqlite:PATH of a file tier";
  }

  [[nodiscard]] std::shared_ptr<SharedTier> open_tier(
      const std::string& url, std::shared_ptr<const SealingKeys> keys) const override {
    const std::string path = sqlite_file_of(url);
    // The worker makes one that applications will use; whoever looks at one has mistaken its name.
    if (!std::filesystem::exists(path)) throw ConfigError("there is no file tier at " + path);
    return std::make_shared<ReadableTier<FileTier>>(
        FileTier(path, {.max_entry_bytes = kLargestValue,
                        .codec = codec_with(std::move(keys)),
                        .busy_timeout = kPatience}));
  }
  [[nodiscard]] std::unique_ptr<Applier> open_target(const TargetSettings& settings,
                                                     const LogEndpoint& /*log*/) const override {
    auto tier = std::make_shared<FileTier>(sqlite_file_of(settings.url),
                                           FileTierOptions{.busy_timeout = kPatience});
    return std::make_unique<FileTierApplier>(std::move(tier), settings.namespace_name);
  }
};

}  // namespace

const Backend& file_tier_backend() {
  static const FileTierBackend backend;
  return backend;
}

}  // namespace querymark::cli
