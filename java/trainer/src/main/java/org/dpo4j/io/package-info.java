/**
 * Reads and writes files that users name, and says in plain words what is wrong with them. Does not depend on models.
 */
@NullMarked
package org.dpo4j.io;

import org.jspecify.annotations.NullMarked;
