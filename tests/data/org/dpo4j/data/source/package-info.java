@NullMarked
package org.dpo4j.data.source;

import org.jspecify.annotations.NullMarked;
