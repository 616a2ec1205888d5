#pragma once

#include <querymark/querymark.hpp>

// What the cases in this folder share: types that nobody has told the library about.

namespace user {

class Money {
 public:
  explicit Money(std::int64_t cents) : cents_(cents) {}

 private:
  std::int64_t cents_;
};
struct Order {
  std::int64_t id;
  Money total;
};
struct Named {
  std::string_view name;
};
struct MaybeNamed {
  std::optional<std::string_view> name;
};
struct Graded {
  std::int64_t id;
  char grade;
};

}  // namespace user
