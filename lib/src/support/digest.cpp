#include "querymark/support/digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace querymark {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

thread_local constinit bool thread_has_ended = false;

struct ThreadContext {
  Context context{EVP_MD_CTX_new()};
  ~ThreadContext() { thread_has_ended = true; }
};

// The thread's own; for destructors that run later in the same thread, one for the call.
EVP_MD_CTX* thread_context(Context& of_call) {
  if (thread_has_ended) {
    of_call.reset(EVP_MD_CTX_new());
    return of_call.get();
  }
  thread_local const ThreadContext own;
  return own.context.get();
}

// Fetching an algorithm costs more than hashing 200 bytes with it: do it once for the process.
const EVP_MD* sha256_algorithm() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

void require(bool ok) {
  if (!ok) throw Error("OpenSSL offers no SHA-256; install libssl3 with its default provider");
}

struct HashSecret {
  alignas(64) unsigned char bytes[XXH3_SECRET_DEFAULT_SIZE];
  HashSecret() {
    for (std::size_t i = 0; i < sizeof(bytes); i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random_u64();
      std::memcpy(bytes + i, &word, sizeof(word));
    }
  }
};

}  // namespace

namespace {

void require_update(EVP_MD_CTX* context, const unsigned char* bytes, std::size_t size) {
  require(EVP_DigestUpdate(context, bytes, size) == 1);
}

// Collects what is hashed, since each call of OpenSSL costs as much as hashing 50 bytes.
class Collected {
 public:
  explicit Collected(EVP_MD_CTX* context) noexcept : context_(context) {}
  void add(const unsigned char* bytes, std::size_t size) {
    if (size > bytes_.size() - used_) flush();
    if (size > bytes_.size()) return require_update(context_, bytes, size);
    std::copy_n(bytes, size, bytes_.data() + used_);
    used_ += size;
  }
  void flush() {
    if (used_ > 0) require_update(context_, bytes_.data(), used_);
    used_ = 0;
  }

 private:
  EVP_MD_CTX* context_;
  std::array<unsigned char, 512> bytes_;  // of which `used_` are set
  std::size_t used_ = 0;
};

}  // namespace

Digest sha256(std::initializer_list<ByteView> parts) {
  Context of_call;
  EVP_MD_CTX* const context = thread_context(of_call);
  require(context != nullptr && EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) == 1);
  Collected collected(context);
  for (ByteView part : parts) {
    unsigned char length[8];
    for (int i = 0; i < 8; ++i)
      length[i] =
          static_cast<unsigned char>(static_cast<std::uint64_t>(part.size()) >> (56 - 8 * i));
    collected.add(length, sizeof(length));
    collected.add(reinterpret_cast<const unsigned char*>(part.data()), part.size());
  }
  collected.flush();
  Digest digest;
  require(EVP_DigestFinal_ex(context, digest.bytes.data(), nullptr) == 1);
  return digest;
}

std::uint64_t process_hash(ByteView bytes) noexcept {
  static const HashSecret secret;
  return XXH3_64bits_withSecret(bytes.data(), bytes.size(), secret.bytes, sizeof(secret.bytes));
}

std::uint64_t checksum(ByteView bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace querymark
