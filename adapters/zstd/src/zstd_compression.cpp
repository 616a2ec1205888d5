#include "querymark/zstd/zstd_compression.hpp"

#include <zstd.h>

#include <string>

#include "querymark/support/error.hpp"

namespace querymark {
namespace {

template <class Context, std::size_t (*release)(Context*)>
struct Release {
  void operator()(Context* context) const noexcept { release(context); }
};
using Packer = std::unique_ptr<ZSTD_CCtx, Release<ZSTD_CCtx, ZSTD_freeCCtx>>;
using Unpacker = std::unique_ptr<ZSTD_DCtx, Release<ZSTD_DCtx, ZSTD_freeDCtx>>;

class Zstd final : public Compression {
 public:
  explicit Zstd(int level) : level_(level) {}

  [[nodiscard]] std::uint8_t id() const noexcept override { return 1; }

  [[nodiscard]] std::string pack(ByteView bytes) const override {
    thread_local const Packer packer(ZSTD_createCCtx());
    std::string packed(ZSTD_compressBound(bytes.size()), '\0');
    const std::size_t size = packer ? ZSTD_compressCCtx(packer.get(), packed.data(), packed.size(),
                                                        bytes.data(), bytes.size(), level_)
                                    : 0;
    if (!packer || ZSTD_isError(size) != 0) throw Error("zstd can't compress: no memory?");
    packed.resize(size);
    return packed;
  }

  [[nodiscard]] std::optional<std::string> unpack(ByteView packed,
                                                  std::size_t size) const override {
    // One frame that says that it holds so many bytes: known before there is memory for them.
    if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != size ||
        ZSTD_findFrameCompressedSize(packed.data(), packed.size()) != packed.size())
      return std::nullopt;
    thread_local const Unpacker unpacker(ZSTD_createDCtx());
    if (!unpacker) throw Error("zstd can't unpack: no memory?");
    std::string unpacked(size, '\0');
    // Goes straight into these bytes and never past them: no window is allocated.
    if (ZSTD_decompressDCtx(unpacker.get(), unpacked.data(), size, packed.data(), packed.size()) !=
        size)
      return std::nullopt;
    return unpacked;
  }

 private:
  int level_;
};

}  // namespace

std::shared_ptr<const Compression> zstd_compression(int level) {
  if (level < 1 || level > 19) throw ConfigError("the level of zstd must be 1 to 19");
  return std::make_shared<Zstd>(level);
}

}  // namespace querymark
