// Package bridgetest holds the tests that every bridge.Log and every bridge.Store passes, and the whole bridge over
// them.
//
//	func TestMyStore(t *testing.T) {
//		bridgetest.Run(t, func(t *testing.T) bridgetest.Fixture {
//			db := openEmpty(t)
//			return bridgetest.Fixture{Log: db, Store: db, Users: …, Topics: …, Append: db.append}
//		})
//	}
//
// Each test opens a Fixture of its own, which must be empty except for what Fixture asks for. The tests of one Run may
// run in parallel.
package bridgetest
