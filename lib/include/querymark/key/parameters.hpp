#pragma once

#include <array>
#include <functional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/list.hpp"
#include "querymark/key/parameter.hpp"
#include "querymark/key/time_values.hpp"

// For users.

namespace querymark {

class Parameters;

/// What a call takes for its parameters: one value, or Parameters for as many as they are. (Of a
/// pack's conditions compilers print the name only, so it says what is missing.)
template <class T>
concept HasParameterTraits =
    std::same_as<std::remove_cvref_t<T>, Parameters> || BindableParameter<T>;

/// Parameters whose number is known at run time only, such as those of optional filters:
///
///     std::string sql = "select id from product where shop = ?";
///     qm::Parameters values(shop);
///     if (name) { sql += " and name = ?"; values.add(*name); }
///     db.query(sql, values)
///
/// Stands for its elements, in order, wherever a parameter may stand. (A list that is one
/// parameter is a std::vector.) Owns copies. Not thread-safe.
class Parameters {
 public:
  Parameters() = default;
  template <HasParameterTraits... Args>
    requires(sizeof...(Args) > 0)
  explicit Parameters(const Args&... args) {
    all_.reserve(sizeof...(Args));
    (add(args), ...);
  }

  template <HasParameterTraits T>
  Parameters& add(const T& value) {
    if constexpr (std::same_as<T, Parameters>) {
      const std::vector<OwnedParameter> more = value.all_;  // it may be this one
      all_.insert(all_.end(), more.begin(), more.end());
    } else {
      all_.push_back(owned(as_parameter(value)));
    }
    return *this;
  }

  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
  [[nodiscard]] std::span<const OwnedParameter> all() const noexcept { return all_; }
  /// Valid as long as these parameters, and until the next `add`.
  [[nodiscard]] std::vector<ParameterView> views() const { return {all_.begin(), all_.end()}; }

 private:
  static OwnedParameter owned(OwnedParameter parameter) { return parameter; }
  static OwnedParameter owned(ParameterView view) { return OwnedParameter::copy_of(view); }
  std::vector<OwnedParameter> all_;
};

namespace detail {

/// The parameters of one call as views, with what had to be converted for them. Neither copied nor
/// moved: the arguments must outlive it.
template <class... Args>
class CallParameters {
 public:
  explicit CallParameters(const Args&... args)
      : held_{hold(args)...},
        views_(std::apply([](const auto&... held) { return gather(held...); }, held_)) {}
  CallParameters(const CallParameters&) = delete;
  CallParameters& operator=(const CallParameters&) = delete;

  [[nodiscard]] std::span<const ParameterView> views() const noexcept { return views_; }

 private:
  using Many = std::reference_wrapper<const Parameters>;
  static constexpr bool kFixed = (!std::same_as<Args, Parameters> && ...);
  using Views = std::conditional_t<kFixed, std::array<ParameterView, sizeof...(Args)>,
                                   std::vector<ParameterView>>;

  template <class Arg>
  static auto hold(const Arg& arg) {
    if constexpr (std::same_as<Arg, Parameters>)
      return std::cref(arg);
    else
      return as_parameter(arg);
  }
  template <class... Held>
  static Views gather(const Held&... held) {
    if constexpr (kFixed) {
      return {held...};
    } else {
      Views views;
      const auto add = [&views]<class One>(const One& one) {
        if constexpr (std::same_as<One, Many>)
          views.insert(views.end(), one.get().all().begin(), one.get().all().end());
        else
          views.push_back(one);
      };
      (add(held), ...);
      return views;
    }
  }

  std::tuple<decltype(hold(std::declval<const Args&>()))...> held_;
  Views views_;
};

}  // namespace detail
}  // namespace querymark
