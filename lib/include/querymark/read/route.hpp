#pragma once  // For writers of ports.

#include <memory>
#include <string_view>
#include <utility>

#include "querymark/read/loader.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/life.hpp"

namespace querymark {

/// Where a query finds its rows: the source that answers for them, and the loader that asks the
/// database. Keeps a loader alive that is not the database's own. A value type.
class Route {
 public:
  /// The loader must live as long as the source.
  Route(Source& source, Loader& loader) noexcept
      : Route(source, std::shared_ptr<Loader>(std::shared_ptr<Loader>(), &loader)) {}
  Route(Source& source, std::shared_ptr<Loader> loader) noexcept
      : source_(&source), life_(source.life()), loader_(std::move(loader)) {}
  // A move is a copy: what it is moved out of has a loader still.
  Route(const Route&) = default;
  // NOLINTNEXTLINE(performance-move-constructor-init): as said
  Route(Route&& other) noexcept : Route(std::as_const(other)) {}
  Route& operator=(const Route&) = default;
  Route& operator=(Route&& other) noexcept { return *this = std::as_const(other); }
  ~Route() = default;

  /// `query` is a text to know it by. A source that is no more ends the process with a message:
  /// going on would read what others have in its place.
  [[nodiscard]] Source& source(std::string_view query) const noexcept {
    if (life_.over()) [[unlikely]]
      end(query);
    return *source_;
  }
  /// Requires that the source lives.
  [[nodiscard]] Loader& loader() const noexcept { return *loader_; }

 private:
  [[noreturn, gnu::cold]] static void end(std::string_view query) noexcept;

  Source* source_;
  Life::Watch life_;
  std::shared_ptr<Loader> loader_;
};

}  // namespace querymark
