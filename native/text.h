#pragma once

#include <stddef.h>
#include <stdio.h>

namespace dpo4j {

// Copies a sentence into the caller's buffer, and cuts it if it is too long. Does nothing if the buffer is null or has 0 bytes.
inline void copy_text(char* text, size_t text_bytes, const char* sentence) {
  if (text != nullptr && text_bytes != 0) snprintf(text, text_bytes, "%s", sentence);
}

}  // namespace dpo4j
