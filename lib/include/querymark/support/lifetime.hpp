#pragma once  // For writers of ports.

/// Behind a parameter list: what is returned refers to the object that the function was called for.
/// Clang warns where that object is gone before the reference is (-Wdangling); others see nothing.
#if defined(__clang__)
#define QUERYMARK_LIFETIME_BOUND [[clang::lifetimebound]]
#else
#define QUERYMARK_LIFETIME_BOUND
#endif
