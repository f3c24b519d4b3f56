@NullMarked
package org.dpo4j.data.store;

import org.jspecify.annotations.NullMarked;
