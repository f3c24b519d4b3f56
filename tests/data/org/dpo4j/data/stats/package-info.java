@org.jspecify.annotations.NullMarked
package org.dpo4j.data.stats;
