import { Fragment } from 'react';
import type { Tenant } from './api';
import { limitOf, moneyOf, usedOf } from './words';

export function Tenants({ tenants }: { tenants: readonly Tenant[] }) {
  return (
    <>
      <h3>Tenants</h3>
      <table className="tenants">
        <thead>
          <tr>
            <th scope="col">Tenant</th>
            <th scope="col">Live</th>
            <th scope="col">Today</th>
            <th scope="col">Month</th>
          </tr>
        </thead>
        <tbody>
          {tenants.map((tenant) => (
            <Fragment key={tenant.tenant}>
              <tr>
                <th scope="row">{tenant.tenant}</th>
                <td>{tenant.sessions}</td>
                <td>{moneyOf(tenant.today)}</td>
                <td>{moneyOf(tenant.month)}</td>
              </tr>
              {tenant.limits.length > 0 && (
                <tr className="limits">
                  <td colSpan={4}>
                    <Limits limits={tenant.limits} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Limits({ limits }: Pick<Tenant, 'limits'>) {
  return (
    <ul>
      {limits.map((limit) => (
        <li key={limit.what}>
          <meter
            aria-label={limitOf(limit.what)}
            min={0}
            max={limit.limit}
            high={0.8 * limit.limit}
            optimum={0}
            value={Math.min(limit.used, limit.limit)}
          />
          <span className="quiet">
            {usedOf(limit)} {limitOf(limit.what)}
          </span>
        </li>
      ))}
    </ul>
  );
}
