#include "querymark/key/key_encoder.hpp"

namespace querymark {

void KeyEncoder::grow(std::size_t more) {
  const std::size_t capacity = 2 * (size_ + more);
  char* const larger = static_cast<char*>(::operator new(capacity));
  std::memcpy(larger, data_, size_);
  if (data_ != inside_) release();
  data_ = larger;
  capacity_ = capacity;
}

void KeyEncoder::release() noexcept { ::operator delete(data_); }

}  // namespace querymark
