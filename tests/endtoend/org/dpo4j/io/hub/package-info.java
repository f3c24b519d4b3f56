/** Tests of downloads, against a server on this machine. */
@NullMarked
package org.dpo4j.io.hub;

import org.jspecify.annotations.NullMarked;
