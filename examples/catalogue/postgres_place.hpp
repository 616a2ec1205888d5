#pragma once

#include <memory>

#include "place.hpp"

namespace catalogue {

/// A schema in the database of a given server, or of one that is started for the demo alone.
[[nodiscard]] std::unique_ptr<Place> make_postgres_place(const PlaceOptions& options);

}  // namespace catalogue
