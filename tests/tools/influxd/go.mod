module influxd

go 1.26

require github.com/influxdata/influxdb/v2 v2.9.1
