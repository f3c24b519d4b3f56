@NullMarked
package org.dpo4j.export;

import org.jspecify.annotations.NullMarked;
