package org.dpo4j.conformance;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A test with one parameter, {@link On}, that runs once per device, with dtype F32. */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@Tag("device")
@ParameterizedTest(name = "{0}")
@MethodSource("org.dpo4j.conformance.TestDevices#each")
public @interface OnEachDevice {}
